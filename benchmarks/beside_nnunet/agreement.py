"""How far two programs give the same label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from statistics import fmean

import numpy as np

from verisim.files import read_label_map
from verisim.metrics import dice
from verisim.volume import Array


@dataclass(frozen=True)
class Agreement:
    """Two label maps of one case.

    Args:
        case: Its name.
        dice: Of each label; nan where both have none of it.
        differing: Voxels with another label.
        voxels: All voxels.
    """

    case: str
    dice: Mapping[str, float]
    differing: int
    voxels: int


def agreement(case: str, one: Array, other: Array, labels: Mapping[str, int]) -> Agreement:
    """Compare two label maps (X, Y, Z) with the same label values."""
    overlaps = {name: dice(one == value, other == value) for name, value in labels.items()}
    return Agreement(case, overlaps, int(np.count_nonzero(one != other)), one.size)


def agreements_of_files(
    one: Path, other: Path, labels: Mapping[str, int]
) -> tuple[Agreement, ...]:
    """Compare the label maps of the same name in two folders.

    Raises:
        SystemExit: A folder lacks one, or two do not lie in the same place.
    """
    names = sorted(path.name for path in one.glob("*.nii.gz"))
    if names != sorted(path.name for path in other.glob("*.nii.gz")) or not names:
        raise SystemExit(f"{one} and {other} do not hold the same label maps.")
    found = []
    for name in names:
        a, b = read_label_map(one / name, labels), read_label_map(other / name, labels)
        if not a.shares_grid(b):
            raise SystemExit(f"The label maps {name} do not lie in the same place.")
        found.append(agreement(name.removesuffix(".nii.gz"), a.array, b.array, labels))
    return tuple(found)


def mean_dice(agreements: Sequence[Agreement]) -> dict[str, float]:
    """Mean Dice of each label over the cases in which someone found it."""
    names = agreements[0].dice if agreements else {}
    return {
        name: fmean(_known([a.dice[name] for a in agreements]) or [1.0])  # nobody found it: agreed
        for name in names
    }


def worst_dice(agreements: Sequence[Agreement]) -> float:
    """The smallest Dice of any label in any case."""
    return min(_known([value for a in agreements for value in a.dice.values()]), default=1.0)


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not isnan(value)]
