"""What a reader says about single voxels, and what it means for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verisim.errors import BadInput
from verisim.volume import LabelMap

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Click:
    """One place where a reader corrects a segmentation.

    Args:
        position_mm: Of the place, RAS+ mm; it means the voxel that it lies in.
        label: Name of the label that is spoken of.
        belongs: Whether the place belongs to the label, or does not.
    """

    position_mm: tuple[float, float, float]
    label: str
    belongs: bool = True


@dataclass(frozen=True, order=True)
class Seed:
    """What all clicks on one voxel say together.

    Args:
        voxel: Index.
        allowed: The classes that it may have, sorted; background is 0.
    """

    voxel: Triple
    allowed: tuple[int, ...]

    def best(self, scores: Sequence[float]) -> int:
        """The allowed class of the highest score."""
        return max(self.allowed, key=lambda k: scores[k])


def seeds_of(clicks: Iterable[Click], label_map: LabelMap) -> tuple[Seed, ...]:
    """One seed for each voxel that was clicked on, whatever the order of the clicks.

    Args:
        label_map: On whose voxels they lie; its labels are those that may be named, and a class
            is the place of a label among them, from 1.

    Raises:
        BadInput: A click lies outside the volume, names no label, or contradicts another.
    """
    names = {name: k for k, name in enumerate(label_map.labels, start=1)}
    allowed: dict[Triple, set[int]] = {}
    for click in clicks:
        voxel, named = _voxel(click, label_map), _named(click, names)
        says = {named} if click.belongs else {0, *names.values()} - {named}
        allowed[voxel] = allowed.get(voxel, {0, *names.values()}) & says
        if not allowed[voxel]:
            raise BadInput(
                f"The clicks at {_written(click)} contradict each other: no label is left.",
                "Remove one of them.",
            )
    return tuple(sorted(Seed(voxel, tuple(sorted(left))) for voxel, left in allowed.items()))


def _named(click: Click, names: Mapping[str, int]) -> int:
    if click.label not in names:
        raise BadInput(
            f"There is no label {click.label!r} to belong to.",
            f"Name one of: {', '.join(names)}.",
        )
    return names[click.label]


def _voxel(click: Click, label_map: LabelMap) -> Triple:
    """The voxel that a click lies in; a voxel reaches half its size around its centre."""
    if len(click.position_mm) != 3 or not np.isfinite(click.position_mm).all():
        raise BadInput(
            f"{click.position_mm} is no place.",
            "Give x, y and z in mm, to the right, front, head.",
        )
    index = np.linalg.inv(label_map.affine) @ (*click.position_mm, 1.0)
    # rounding of the affine must not move a click on a border of two voxels to and fro
    x, y, z = np.floor(np.round(index[:3], 4) + 0.5).tolist()
    if not all(0 <= i < n for i, n in zip((x, y, z), label_map.spatial_shape, strict=True)):
        raise BadInput(
            f"The click at {_written(click)} lies outside the volume.",
            "Click inside it; places are RAS, in mm to the right, the front and the head.",
        )
    return int(x), int(y), int(z)


def _written(click: Click) -> str:
    return f"({', '.join(f'{mm:.1f}' for mm in click.position_mm)}) mm"
