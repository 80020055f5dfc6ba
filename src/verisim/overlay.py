"""A picture of a label map on its volume: what a person checks first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from verisim.files import Color
from verisim.files.atomic import replacing
from verisim.volume import Array, LabelMap, Volume

ORIENTATION = "LAS"
"""Radiologists see the patient from the feet and from the front: left is on the right."""

PLANES = ("sagittal", "coronal", "axial")
SIDES = (("P", "A"), ("R", "L"), ("R", "L"))
"""What lies at the left and the right edge of each plane."""

DARKEST, BRIGHTEST = 0.5, 99.5
"""Percentiles shown as black and white, so that one bright voxel does not hide the rest."""

UNNAMED = (1.0, 0.5, 0.0)


@dataclass(frozen=True)
class _Scene:
    """Everything on one grid, ready to be sliced."""

    image: Volume
    labels: LabelMap
    truth: LabelMap | None
    colors: Mapping[str, Color]


def draw(
    path: Path,
    volume: Volume,
    label_map: LabelMap,
    colors: Mapping[str, Color],
    truth: LabelMap | None = None,
) -> None:
    """Write the slice with most foreground of each plane, labels filled, the truth as outline.

    Args:
        path: A .png file.
        volume: (X, Y, Z); of several channels the first is drawn.
        label_map: On any grid; it is resampled like the volume.
        colors: Red, green, blue in 0..1 for each label.
        truth: Drawn as white outline.
    """
    image = volume.reoriented(ORIENTATION)
    if image.array.ndim == 4:
        image = image.new(image.array[0])
    outline = _like(truth, image) if truth is not None else None
    figure = _figure(_Scene(image, _like(label_map, image), outline, colors))
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


def _like(label_map: LabelMap, image: Volume) -> LabelMap:
    return label_map.reoriented(ORIENTATION).resampled_like(image)


def _figure(scene: _Scene) -> Figure:
    figure = Figure(figsize=(12, 4.6), facecolor="black", layout="constrained")
    centre = _centre(scene.labels.array)
    low, high = np.percentile(scene.image.array, [DARKEST, BRIGHTEST])
    for axis, axes in enumerate(figure.subplots(1, 3)):
        axes.imshow(
            _slice(scene.image.array, axis, centre),
            cmap="gray",
            vmin=low,
            vmax=max(high, low + 1e-6),
            aspect=_aspect(scene.image, axis),
        )
        _draw_labels(axes, scene, axis, centre)
        count = scene.image.spatial_shape[axis]
        axes.set_title(f"{PLANES[axis]} {centre[axis] + 1}/{count}", color="white")
        _name_sides(axes, axis)
        axes.set_axis_off()
    _legend(figure, scene)
    return figure


def _name_sides(axes: Axes, axis: int) -> None:
    ground = {"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 1.5}
    for x, side in zip((0.03, 0.97), SIDES[axis], strict=True):
        axes.text(x, 0.5, side, color="white", ha="center", transform=axes.transAxes, bbox=ground)


def _draw_labels(axes: Axes, scene: _Scene, axis: int, centre: tuple[int, int, int]) -> None:
    labels = _slice(scene.labels.array, axis, centre)
    for name, value in scene.labels.labels.items():
        tint = np.zeros((*labels.shape, 4))
        tint[labels == value] = (*scene.colors.get(name, UNNAMED), 0.5)
        axes.imshow(tint, aspect=_aspect(scene.image, axis), interpolation="nearest")
    if scene.truth is not None:
        truth = _slice(scene.truth.array, axis, centre)
        for value in scene.truth.labels.values():
            if (truth == value).any():
                axes.contour(truth == value, [0.5], colors="white", linewidths=1)


def _legend(figure: Figure, scene: _Scene) -> None:
    entries = [
        Patch(facecolor=scene.colors.get(name, UNNAMED), label=name)
        for name in scene.labels.labels
    ]
    if scene.truth is not None:
        entries.append(Patch(facecolor="none", edgecolor="white", label="reference"))
    figure.legend(
        handles=entries, loc="outside lower left", ncols=6, frameon=False, labelcolor="white"
    )


def _centre(labels: Array) -> tuple[int, int, int]:
    """The slice with most foreground along each axis; the middle where nothing was found."""
    if not labels.any():
        x, y, z = (n // 2 for n in labels.shape)
    else:
        x, y, z = (
            int(np.argmax((labels > 0).sum(axis=tuple({0, 1, 2} - {axis})))) for axis in range(3)
        )
    return x, y, z


def _slice(array: Array, axis: int, centre: tuple[int, int, int]) -> Array:
    """A slice with the patient's head or front up."""
    turned: Array = np.rot90(np.take(array, centre[axis], axis=axis))
    return turned


def _aspect(volume: Volume, axis: int) -> float:
    """Height of a pixel in widths."""
    spacing = [s for k, s in enumerate(volume.spacing_mm) if k != axis]
    return spacing[1] / spacing[0]
