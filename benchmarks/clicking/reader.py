"""A simulated reader: it sees the truth, and clicks into the middle of the largest error."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from uncertainty.scoring import mean_dice
from verisim.refinement import Click
from verisim.segmentation import Segmentation
from verisim.volume import Array, LabelMap, Volume

Refining = Callable[[Volume, Segmentation, Sequence[Click]], LabelMap]
"""Whatever corrects a start by all clicks so far."""


@dataclass(frozen=True)
class Reading:
    """One volume, corrected click by click.

    Args:
        dice: Mean over the labels, before the first click and after each.
        seconds: Of each correction.
    """

    dice: tuple[float, ...]
    seconds: tuple[float, ...]


def read(
    volume: Volume, start: Segmentation, truth: LabelMap, refining: Refining, count: int
) -> Reading:
    """Click so often, each time on what is wrong then.

    Args:
        volume: What reader and method see.
        start: What is corrected.
        truth: What only the reader sees.
        refining: The method; the reader is answered with its results alone.
        count: Clicks; fewer when nothing is wrong any more.
    """
    present, clicks, seconds = start.label_map, list[Click](), list[float]()
    dice = [mean_dice(present, truth)]
    for _ in range(count):
        click = next_click(present, truth)
        if click is not None:
            clicks.append(click)
            began = time.perf_counter()
            present = refining(volume, start, clicks)
            seconds.append(time.perf_counter() - began)
        dice.append(mean_dice(present, truth))
    return Reading(tuple(dice), tuple(seconds))


def next_click(present: LabelMap, truth: LabelMap) -> Click | None:
    """Into the middle of the largest piece of one class that has another; None if there is none.

    The middle is the voxel that is furthest from the piece's border.
    """
    classes = [(None, _background(truth)), *((name, truth.binary(name)) for name in truth.labels)]
    largest: tuple[int, str | None, Array] | None = None
    for name, mask in classes:
        had = _background(present) if name is None else present.binary(name)
        pieces, _ = ndimage.label(mask & ~had)
        sizes = np.bincount(pieces.ravel())[1:]
        if sizes.size and (largest is None or sizes.max() > largest[0]):
            largest = int(sizes.max()), name, pieces == sizes.argmax() + 1
    if largest is None:
        return None
    _, name, piece = largest
    depth = ndimage.distance_transform_edt(np.pad(piece, 1), truth.spacing_mm)[1:-1, 1:-1, 1:-1]
    voxel = np.unravel_index(depth.argmax(), depth.shape)
    x, y, z = (float(mm) for mm in (truth.affine @ (*voxel, 1))[:3])
    if name is not None:
        return Click((x, y, z), name)
    wrong = next(n for n in present.labels if present.binary(n)[voxel])
    return Click((x, y, z), wrong, belongs=False)


def _background(label_map: LabelMap) -> Array:
    return np.logical_and.reduce([~label_map.binary(name) for name in label_map.labels])
