"""Which case to label next: any, or the one that the model is least certain of."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.strategy import Strategy

from verisim.errors import BadInput

ORIGINAL = str(DefaultLabelTag.ORIGINAL.value)
"""The tag of labels that a model has made."""


class RandomCase(Strategy):
    """Any unlabelled case, all equally likely; the same `seed` draws the same one."""

    def __init__(self) -> None:
        super().__init__("Any unlabelled case; with a seed, always the same one")

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The case's id; empty when every case is labelled.

        Raises:
            BadInput: The seed is no whole number.
        """
        names = unlabelled(datastore)
        if not names:
            return {}
        return {"id": random.Random(_seed(request)).choice(names), "weight": 1 / len(names)}


class UncertainCase(Strategy):
    """The unlabelled case that the model was least certain of when it was last segmented.

    It computes nothing: the certainties are those that saved inferences left in the datastore
    (batch inference, or `/infer` with `save_label`). Cases without one come last, by name.
    """

    def __init__(self) -> None:
        super().__init__(
            "The least certain unlabelled case first; run batch inference before, it stores the "
            "certainties"
        )

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The case's id and certainty; empty when every case is labelled."""
        names = unlabelled(datastore)
        if not names:
            return {}
        tag = str(request.get("label_tag") or ORIGINAL)
        certainties = {name: stored_certainty(datastore, name, tag) for name in names}
        scored = [name for name in names if certainties[name] is not None]
        name = min(scored, key=lambda n: (certainties[n], n)) if scored else names[0]
        return {"id": name, "certainty": certainties[name]}


def unlabelled(datastore: Datastore) -> list[str]:
    """The cases without a final label, by name, as the files on disk say now."""
    datastore.refresh()  # a batch inference writes from another process
    return sorted(datastore.get_unlabeled_images())


def stored_certainty(datastore: Datastore, name: str, tag: str = ORIGINAL) -> float | None:
    """The mean foreground probability that the saved inference of a case had, if there is one."""
    params = datastore.get_label_info(name, tag).get("params") or {}
    certainty = params.get("certainty")
    return float(certainty) if isinstance(certainty, int | float) else None


def _seed(request: Mapping[str, Any]) -> int | None:
    seed = request.get("seed")
    if seed is None or isinstance(seed, int):
        return seed
    raise BadInput(f"The seed {seed!r} is no whole number.", "Send for example 1.")
