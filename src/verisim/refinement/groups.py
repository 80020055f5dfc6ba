"""Which clicks are answered together, and how far they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from verisim.refinement.clicks import Seed
from verisim.refinement.field import FAR
from verisim.volume import LabelMap

SHORTEST_MM = 2.0
"""At least: a label that is missing can be begun."""

MOST_VOXELS = 300_000
"""At most so far that the box around a click has so many voxels, and it ends within a second."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Group:
    """Clicks that are so close that they are answered together.

    Args:
        box: Of the volume, where something may change.
        seeds: In it, on voxels of the whole volume.
        reach_mm: See `corrected`.
    """

    box: Box
    seeds: tuple[Seed, ...]
    reach_mm: float

    @property
    def inside(self) -> tuple[Seed, ...]:
        """The seeds on voxels of the box."""
        x, y, z = (side.start for side in self.box)
        return tuple(
            replace(s, voxel=(s.voxel[0] - x, s.voxel[1] - y, s.voxel[2] - z)) for s in self.seeds
        )


def _reach_mm(label_map: LabelMap, reach: float, widest_mm: float) -> float:
    """From the mean size of the labels that are there, and that of a voxel."""
    found = [ml for ml in label_map.volumes_ml.values() if ml > 0]
    radius_mm = (3000 * float(np.mean(found)) / (4 * np.pi)) ** (1 / 3) if found else 0.0
    largest_mm: float = (MOST_VOXELS * 1000 * label_map.voxel_ml) ** (1 / 3)
    # a box reaches a voxel further, since it begins and ends with a whole one
    within_mm = max(widest_mm - 2 * max(label_map.spacing_mm), SHORTEST_MM)
    longest_mm = min(largest_mm, within_mm) / (2 * FAR)
    return min(max(reach * radius_mm, SHORTEST_MM), longest_mm)


def groups_of(
    seeds: Sequence[Seed], label_map: LabelMap, reach: float, widest_mm: float = inf
) -> list[Group]:
    """Clicks whose boxes touch, with one box around all of theirs.

    Args:
        seeds: On voxels of the volume.
        label_map: Of the volume.
        reach: Of a click, in radii of the ball that is as large as a label on average.
        widest_mm: No box around one click is wider.
    """
    reach_mm = _reach_mm(label_map, reach, widest_mm)
    groups = [Group(_around(seed, reach_mm, label_map), (seed,), reach_mm) for seed in seeds]
    done: list[Group] = []
    while groups:
        group = groups.pop()
        touched = next((one for one in groups if _touch(one.box, group.box)), None)
        if touched is None:
            done.append(group)
            continue
        groups.remove(touched)
        seeds = tuple(sorted((*group.seeds, *touched.seeds)))
        groups.append(Group(_joined(group.box, touched.box), seeds, reach_mm))
    return sorted(done, key=lambda one: one.seeds)


def _around(seed: Seed, reach_mm: float, label_map: LabelMap) -> Box:
    sides = zip(seed.voxel, label_map.spacing_mm, label_map.spatial_shape, strict=True)
    x, y, z = (_side(i, int(np.ceil(FAR * reach_mm / mm)), n) for i, mm, n in sides)
    return x, y, z


def _side(index: int, half: int, voxels: int) -> slice:
    return slice(max(0, index - half), min(voxels, index + half + 1))


def _touch(one: Box, other: Box) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _joined(one: Box, other: Box) -> Box:
    pairs = zip(one, other, strict=True)
    x, y, z = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in pairs)
    return x, y, z
