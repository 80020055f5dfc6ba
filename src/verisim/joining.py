"""Several trained models made one: members of one file, or a card that names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from verisim.card import ModelCard, write_model
from verisim.errors import BadInput
from verisim.networks.averaged import Average
from verisim.networks.weights import weights_of
from verisim.training_record import TrainingRecord


def join(
    cards: Sequence[ModelCard], name: str, folder: Path, description: str = "", half: bool = False
) -> ModelCard:
    """Write one model that answers with the mean of several (Isensee 2021).

    Models of one network and one preprocessing become members of one file, and their logits are
    averaged. Others, such as a 2-D and a 3-D configuration, stay where they are, and the new card
    names them: their probabilities are averaged.

    Args:
        cards: Two or more trained models of one data set.
        name: Of the new model.
        folder: Receives it.
        description: One sentence for the person who chooses; the first model's if empty.
        half: Whether weights are written in half precision, in half the space.

    Raises:
        BadInput: Fewer than two models, or their labels or channels differ.
    """
    _check(cards)
    card = replace(
        cards[0],
        name=name,
        version=1,
        description=description or cards[0].description,
        training=_record([card.training for card in cards if card.training is not None]),
        figures={},
        temperature=1.0,  # what was found for one does not hold for their mean
        expectations={},
        shares=(),
        seconds_per_volume=round(sum(card.seconds_per_volume for card in cards), 2),
        sha256="",
    )
    if not _alike(cards):
        named = replace(card, ensemble=tuple(one.name for one in cards), members=1)
        return write_model(named, {}, folder)
    members = [member for one in cards for member in _members(one)]
    weights = weights_of(Average(members))
    return write_model(replace(card, members=len(members)), _halved(weights, half), folder)


def _check(cards: Sequence[ModelCard]) -> None:
    if len(cards) < 2:
        raise BadInput("An ensemble of one model is that model.", "Name two or more models.")
    for card in cards:
        if card.ensemble or card.previous:
            raise BadInput(
                f"{card.title} is itself made of several models.", "Name its models instead."
            )
        if dict(card.labels) != dict(cards[0].labels) or card.channels != cards[0].channels:
            raise BadInput(
                f"{card.title} and {cards[0].title} have different labels or channels.",
                "Make ensembles of models that were trained on the same data set.",
            )


def _alike(cards: Sequence[ModelCard]) -> bool:
    """Whether their weights fit into one network and see the same patches."""
    return all(
        (card.network, card.preprocessing, card.patch_size, card.mirrored_axes)
        == (cards[0].network, cards[0].preprocessing, cards[0].patch_size, cards[0].mirrored_axes)
        for card in cards
    )


def _members(card: ModelCard) -> list[nn.Module]:
    network = card.load()
    return list(network.members) if isinstance(network, Average) else [network]


def _halved(weights: dict[str, Tensor], half: bool) -> dict[str, Tensor]:
    return {name: tensor.half() if half else tensor for name, tensor in weights.items()}


def _record(records: Sequence[TrainingRecord]) -> TrainingRecord | None:
    """What the models learned from, taken together."""
    if not records:
        return None
    lows, highs = zip(*(record.extent_mm for record in records), strict=True)
    low = tuple(min(axis) for axis in zip(*lows, strict=True))
    high = tuple(max(axis) for axis in zip(*highs, strict=True))
    return replace(
        records[0],
        data=" + ".join(dict.fromkeys(record.data for record in records)),
        licence=" + ".join(dict.fromkeys(record.licence for record in records)),
        cases=max(record.cases for record in records),
        date=max(record.date for record in records),
        iterations=sum(record.iterations for record in records),
        seconds=round(sum(record.seconds for record in records), 3),
        extent_mm=((low[0], low[1], low[2]), (high[0], high[1], high[2])),
    )
