"""What the values in the labels of a datastore mean, for a model that does not exist yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from monailabel.interfaces.datastore import Datastore

from lib.labelled import told_labels
from verisim.dataset import Case
from verisim.errors import BadDataset, BadInput
from verisim.files import read_label_map

SAME_ORDER = "Save the labels again, each with the same segments in the same order."


@dataclass(frozen=True)
class _Told:
    """One name and value, and the case whose label has them."""

    name: str
    value: int
    case: str


def told_names(datastore: Datastore, cases: Sequence[Case], listed: str = "") -> dict[str, int]:
    """Name to value, as far as anybody told it: no label is read.

    Args:
        datastore: Knows what the clients told that saved the labels.
        cases: With final labels.
        listed: Names of the values 1, 2, … with commas between; these count, if given.

    Raises:
        BadInput: The list has an empty name, or one twice.
        BadDataset: Two labels contradict each other, or the values have gaps.
    """
    told = _agreed(
        _Told(name, value, case.name)
        for case in cases
        for name, value in told_labels(datastore, case.name)
    )
    return _listed(listed) if listed.strip() else told


def stored_names(cases: Iterable[Case]) -> dict[str, int]:
    """Name to value, as the files of the labels say; where they do not, v is "label_v".

    Raises:
        BadDataset: Two labels contradict each other, the values have gaps, or there is none.
    """
    found = _agreed(chain.from_iterable(_in_file(case) for case in cases))
    if not found:
        raise BadDataset(
            "No final label has a single voxel that is not background.",
            "Draw something, and save it with the tag final.",
        )
    return found


def _listed(text: str) -> dict[str, int]:
    names = [name.strip() for name in text.split(",")]
    if "" in names or len(set(names)) < len(names):
        raise BadInput(
            f"labels is {text!r}, which has an empty name or one twice.",
            'Name the values 1, 2, … in this order, e.g. "liver, tumour".',
        )
    return {name: value for value, name in enumerate(names, start=1)}


def _in_file(case: Case) -> list[_Told]:
    if case.label is None:
        return []
    labels = read_label_map(case.label).labels
    return [_Told(name, value, case.name) for name, value in labels.items()]


def _agreed(told: Iterable[_Told]) -> dict[str, int]:
    by_name: dict[str, _Told] = {}
    by_value: dict[int, _Told] = {}
    for one in told:
        first = by_value.setdefault(one.value, one)
        if first.name != one.name:
            raise BadDataset(
                f"{one.value} means {first.name!r} in the label of {first.case}, "
                f"{one.name!r} in that of {one.case}.",
                SAME_ORDER,
            )
        first = by_name.setdefault(one.name, one)
        if first.value != one.value:
            raise BadDataset(
                f"{one.name!r} has the value {first.value} in the label of {first.case}, "
                f"{one.value} in that of {one.case}.",
                SAME_ORDER,
            )
    values = sorted(by_value)
    if values != list(range(1, len(values) + 1)):
        raise BadDataset(
            f"The labels have the values {', '.join(str(value) for value in values)}.",
            "Number them 1, 2, 3, … without gaps, the same in all labels.",
        )
    return {by_value[value].name: value for value in values}
