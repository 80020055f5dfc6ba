"""`verisim models`: what can be segmented."""

from __future__ import annotations

from rich.table import Table

from verisim.cli.options import USER_MODELS, AsJson, Models
from verisim.cli.terminal import Terminal


def models(models: Models = USER_MODELS, as_json: AsJson = False) -> None:
    """List the installed models with labels, training data and measured figures."""
    from verisim.card import SHIPPED_MODELS, find_cards

    cards = sorted(find_cards(SHIPPED_MODELS, models).values(), key=lambda card: card.name)
    table = Table("model", "labels", "input", "training data", "licence", "figures", "s/volume")
    for card in cards:
        record = card.training
        table.add_row(
            card.title,
            ", ".join(f"{value} {name}" for name, value in card.labels.items()),
            ", ".join(card.channels),
            f"{record.data}, {record.cases} cases" if record else "untrained",
            record.licence if record else "",
            ", ".join(f"{name} {value:g}" for name, value in card.figures.items()),
            f"{card.seconds_per_volume:g}",
        )
    Terminal(as_json).answer({"models": cards}, table)
