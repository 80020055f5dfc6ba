"""A simulated reader, for training: it sees the truth, and clicks into what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from verisim.volume import Array

CENTRED = 0.5
"""Share of the clicks that are placed exactly into the middle of a piece, as far as possible from
its border; the others lie somewhere at least half as deep."""

CERTAIN = 0.2
"""Share of the clicks into background that deny every label, and not only the present one."""

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Said:
    """One click of the reader.

    Args:
        voxel: Where.
        says: Of each class: 1 it is, -1 it is not, 0 it may be.
    """

    voxel: tuple[int, ...]
    says: tuple[int, ...]


def clicks_into(
    answer: Array, truth: Array, classes: int, count: int, generator: np.random.Generator
) -> Iterator[Said]:
    """One click into each of the largest pieces of one class that have another (RITM, section 3).

    Args:
        answer: (X, Y, Z), classes.
        truth: The same.
        classes: K, background included.
        count: Clicks at most; there are fewer where fewer pieces are wrong.
        generator: Jitters the clicks.
    """
    for truly, piece, box in _largest(answer, truth, classes, count):
        at = _inside(piece, generator)
        voxel = tuple(int(i) + side.start for i, side in zip(at, box, strict=True))
        yield Said(voxel, _says(truly, int(answer[voxel]), classes, generator))


def _largest(
    answer: Array, truth: Array, classes: int, count: int
) -> Sequence[tuple[int, Array, Box]]:
    """Class, mask and box of the largest wrong pieces."""
    found: list[tuple[int, int, Array, Box]] = []
    for k in range(classes):
        pieces, _ = ndimage.label((truth == k) & (answer != k))
        sizes = np.bincount(pieces.ravel())[1:]
        boxes = ndimage.find_objects(pieces)
        for n in np.argsort(-sizes, kind="stable")[:count]:
            found.append((int(sizes[n]), k, pieces[boxes[n]] == n + 1, boxes[n]))
    found.sort(key=lambda one: -one[0])
    return [one[1:] for one in found[:count]]


def _inside(piece: Array, generator: np.random.Generator) -> npt.NDArray[np.intp]:
    depth = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1, 1:-1]
    if generator.random() < CENTRED:
        return np.array(np.unravel_index(depth.argmax(), depth.shape))
    deep = np.argwhere(depth >= depth.max() / 2)
    chosen: npt.NDArray[np.intp] = deep[generator.integers(len(deep))]
    return chosen


def _says(truly: int, wrong: int, classes: int, generator: np.random.Generator) -> tuple[int, ...]:
    """What a click says of each class: "this is it", or of background "this is not it"."""
    certain = truly > 0 or generator.random() < CERTAIN
    if certain:
        return tuple(1 if k == truly else -1 for k in range(classes))
    return tuple(-1 if k == wrong else 0 for k in range(classes))
