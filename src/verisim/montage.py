"""Many cases in one picture, each by its middle slices: what a person looks at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from verisim.files import Color
from verisim.files.atomic import replacing
from verisim.overlay import BRIGHTEST, DARKEST, UNNAMED
from verisim.volume import Array, LabelMap, Volume

MOST_CASES = 64
"""More are too small to see."""

SIDE = 1.6
"""Inches of a case."""


def draw_cases(
    path: Path,
    cases: Sequence[tuple[Volume, LabelMap]],
    colors: Mapping[str, Color],
    titles: Sequence[str] = (),
) -> None:
    """Draw cases beside each other: the sagittal slice with most labels, and their outlines.

    Args:
        path: A picture, .png.
        cases: The first 64 are drawn.
        colors: Red, green, blue of each label, 0 to 1.
        titles: One a case; none: they stay without.

    Raises:
        StorageFailed: The disk refused.
    """
    cases = cases[:MOST_CASES]
    columns = ceil(sqrt(len(cases)))
    rows = ceil(len(cases) / columns)
    figure = Figure(figsize=(SIDE * columns, SIDE * rows), facecolor="black", layout="tight")
    FigureCanvasAgg(figure)
    for k, (volume, labels) in enumerate(cases):
        axes = figure.add_subplot(rows, columns, k + 1)
        axes.set_axis_off()
        image, masks = _slices(volume, labels)
        low, high = np.percentile(image, (DARKEST, BRIGHTEST))
        axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        for name, value in labels.labels.items():
            if (masks == value).any():
                color = colors.get(name, UNNAMED)
                axes.contour(masks == value, [0.5], colors=[color], linewidths=0.8)
        if titles:
            axes.set_title(titles[k], color="white", fontsize=7)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _slices(volume: Volume, labels: LabelMap) -> tuple[Array, Array]:
    """The slice of most labels, front to the left and head up."""
    turned, masks = volume.reoriented("RPS"), labels.reoriented("RPS")
    first = turned.array if turned.array.ndim == 3 else turned.array[0]
    k = int(np.argmax((masks.array > 0).sum(axis=(1, 2))))
    return np.rot90(first[k]), np.rot90(masks.array[k])
