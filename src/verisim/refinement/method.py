"""By what clicks are answered: a click network that knows the labels, or what needs none."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from verisim.card import ModelCard, read_card
from verisim.errors import BadCard, NotFound, VerisimWarning
from verisim.installed import newest_paths
from verisim.refinement.network import ClickNetwork

Method = Literal["auto", "network", "walker"]
"""auto: the network if there is one; walker: kriging and random walks, which know no shapes."""

WALKER = "walker"


def corrector_of(card: ModelCard, known: Iterable[ModelCard], method: Method) -> ModelCard | None:
    """The click network that corrects a model's answers; None: they are corrected without.

    Args:
        card: The model; its labels and channels decide.
        known: All models that there are; of several that fit the first by name is taken.
        method: How the person wants it.

    Raises:
        NotFound: A network is asked for, and none has these labels.
    """
    if method == WALKER:
        return None
    fitting = [
        one
        for one in known
        if one.kind == "refinement"
        and list(one.labels) == list(card.labels)
        and len(one.channels) == len(card.channels)
    ]
    if not fitting and method == "network":
        raise NotFound(
            f"No click network has the labels of {card.title}: {', '.join(card.labels)}.",
            "Train one with `verisim train-clicks`, or leave the method to auto.",
        )
    return min(fitting, key=lambda one: one.name, default=None)


def known_cards(*folders: Path) -> Iterator[ModelCard]:
    """The newest version of every model; one whose card is broken is said, and left out."""
    for path in newest_paths(folders).values():
        try:
            yield read_card(path)
        except BadCard as error:
            warnings.warn(f"A model was left out. {error.message}", VerisimWarning, stacklevel=2)


def name_of(network: ClickNetwork | None) -> str:
    """What an answer tells of how it was made, so that it can be made again."""
    return WALKER if network is None else network.card.title
