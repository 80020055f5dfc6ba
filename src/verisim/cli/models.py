"""`verisim models`: what can be segmented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from verisim.cli.options import USER_MODELS, AsJson, Models
from verisim.cli.terminal import Terminal

if TYPE_CHECKING:
    from verisim.card import ModelCard


def models(models: Models = USER_MODELS, as_json: AsJson = False) -> None:
    """List the installed models with labels, training data and measured figures."""
    from verisim.installed import SHIPPED_MODELS, find_cards

    cards = sorted(find_cards(SHIPPED_MODELS, models).values(), key=lambda card: card.name)
    tables: list[RenderableType] = [_table(card) for card in cards]
    none = f"There are no models in {SHIPPED_MODELS} and {models}."
    Terminal(as_json).answer({"models": cards}, *(tables or [none]))


def _table(card: ModelCard) -> Table:
    """One model; what is known of it below each other, since names may be long."""
    table = Table(title=card.title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _facts(card):
        table.add_row(name, text)
    return table


def _facts(card: ModelCard) -> Iterator[tuple[str, str]]:
    yield "what", card.description
    yield "for", card.kind
    yield "labels", ", ".join(f"{value} {name}" for name, value in card.labels.items())
    yield "input", ", ".join(card.channels)
    if attributes := getattr(card.network, "attributes", ()):
        yield "attributes", "; ".join(one.title for one in attributes)
    if student := getattr(card.generation, "student", None):
        yield "distilled from", f"{student.teacher}, in {student.steps} step(s)"
    if card.training is not None:
        record = card.training
        yield "trained on", f"{record.data}, {record.cases} cases of the split {record.split}"
        yield "licence of the data", record.licence
    if card.figures:
        yield "measured", ", ".join(f"{name} {value:g}" for name, value in card.figures.items())
    if card.members > 1 or card.ensemble:
        yield "made of", ", ".join(card.ensemble) or f"{card.members} networks"
    if card.seconds_per_volume:
        yield "seconds per volume", f"{card.seconds_per_volume:g}"
    yield "weights", str(card.weights_path) if card.sha256 else "none"
