"""Which case to label next: any, or the one that the model is least certain of."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.strategy import Strategy

from verisim.errors import BadInput

ORIGINAL = str(DefaultLabelTag.ORIGINAL.value)
"""The tag of labels that a model has made."""

Stored = Callable[[Datastore, str, str], float | None]
"""What a saved inference says of a case, if there is one: by datastore, case and tag."""


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
        return _lowest("certainty", stored_certainty, request, datastore)


class WorstExpectedCase(Strategy):
    """The unlabelled case whose probabilities let expect the lowest Dice; as `UncertainCase`."""

    def __init__(self) -> None:
        super().__init__(
            "The unlabelled case of the lowest expected Dice first; run batch inference before, "
            "it stores what is expected"
        )

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The case's id and expected Dice; empty when every case is labelled."""
        return _lowest("expected_dice", stored_expected_dice, request, datastore)


def _lowest(
    score: str, stored: Stored, request: Mapping[str, Any], datastore: Datastore
) -> dict[str, Any]:
    """The unlabelled case of the lowest score; those without one come last, by name."""
    names = unlabelled(datastore)
    if not names:
        return {}
    tag = str(request.get("label_tag") or ORIGINAL)
    found = {name: stored(datastore, name, tag) for name in names}
    scored = [name for name in names if found[name] is not None]
    name = min(scored, key=lambda n: (found[n], n)) if scored else names[0]
    return {"id": name, score: found[name]}


def unlabelled(datastore: Datastore) -> list[str]:
    """The cases without a final label, by name, as the files on disk say now."""
    datastore.refresh()  # a batch inference writes from another process
    return sorted(datastore.get_unlabeled_images())


def stored_certainty(datastore: Datastore, name: str, tag: str = ORIGINAL) -> float | None:
    """The mean foreground probability that the saved inference of a case had, if there is one."""
    certainty = _stored(datastore, name, tag).get("certainty")
    return float(certainty) if isinstance(certainty, int | float) else None


def stored_expected_dice(datastore: Datastore, name: str, tag: str = ORIGINAL) -> float | None:
    """The mean expected Dice over the labels of the saved inference of a case; 0 where it found
    none, since that is what a person should look at first."""
    expected = _stored(datastore, name, tag).get("expected_dice")
    if not isinstance(expected, Mapping):
        return None
    values = [float(one) for one in expected.values() if isinstance(one, int | float)]
    return sum(values) / len(values) if values else 0.0


def _stored(datastore: Datastore, name: str, tag: str) -> Mapping[str, Any]:
    params = datastore.get_label_info(name, tag).get("params")
    return params if isinstance(params, Mapping) else {}


def _seed(request: Mapping[str, Any]) -> int | None:
    seed = request.get("seed")
    if seed is None or isinstance(seed, int):
        return seed
    raise BadInput(f"The seed {seed!r} is no whole number.", "Send for example 1.")
