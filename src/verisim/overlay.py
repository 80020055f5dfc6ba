"""A picture of a label map on its volume: what a person checks first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from verisim.files.atomic import replacing
from verisim.volume import Array, LabelMap, Volume

PLANES = ("sagittal", "coronal", "axial")

Color = tuple[float, float, float]


def draw(
    path: Path,
    volume: Volume,
    label_map: LabelMap,
    colors: Mapping[str, Color],
    truth: LabelMap | None = None,
) -> None:
    """Write three slices through the label map's centre, its labels filled, the truth as outline.

    Args:
        path: A .png file.
        volume: (X, Y, Z); of several channels the first is drawn.
        label_map: On any grid; it is resampled like the volume.
        colors: Red, green, blue in 0..1 for each label.
        truth: Drawn as white outline.
    """
    image = volume.reoriented("RAS")
    gray = image.array if image.array.ndim == 3 else image.array[0]
    labels = label_map.resampled_like(image)
    outline = truth.resampled_like(image).array if truth is not None else None
    figure = Figure(figsize=(12, 4.6), facecolor="black", layout="constrained")
    centre = _centre(labels.array)
    for axis, axes in enumerate(figure.subplots(1, 3)):
        axes.imshow(_slice(gray, axis, centre), cmap="gray", aspect=_aspect(image, axis))
        for name, value in labels.labels.items():
            shown = _slice(labels.array == value, axis, centre)
            tint = np.zeros((*shown.shape, 4))
            tint[shown] = (*colors.get(name, (1.0, 0.5, 0.0)), 0.5)
            axes.imshow(tint, aspect=_aspect(image, axis), interpolation="nearest")
        if outline is not None and (edge := _slice(outline, axis, centre)).any():
            axes.contour(edge > 0, [0.5], colors="white", linewidths=1)
        axes.set_title(f"{PLANES[axis]} {centre[axis] + 1}/{gray.shape[axis]}", color="white")
        axes.set_axis_off()
    _legend(figure, labels, colors, truth is not None)
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


def _legend(
    figure: Figure, labels: LabelMap, colors: Mapping[str, Color], has_truth: bool
) -> None:
    entries = [(name, colors.get(name, (1.0, 0.5, 0.0))) for name in labels.labels]
    if has_truth:
        entries.append(("reference (outline)", (1.0, 1.0, 1.0)))
    for k, (name, color) in enumerate(entries):
        figure.text(0.02 + 0.2 * k, 0.02, f"■ {name}", color=color, fontsize=11)


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
