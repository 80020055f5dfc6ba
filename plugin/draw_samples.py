"""Draws the pictures of the sample cases: the slice that shows most of the labels, in 3:2.

Run with the plugin's environment:
`PYTHONPATH=plugin/Verisim .venv-plugin/bin/python plugin/draw_samples.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter

from VerisimLib.samples import SAMPLES, Sample, picture

ROOT = Path(__file__).parents[1]
RELEASED = ROOT / "sample-data" / "synthetic"
RESOURCES = ROOT / "plugin" / "Verisim" / "Resources"
WIDTH, HEIGHT = 192, 128
"""Pixels, in the proportions of the buttons of Sample Data."""

EDGES = {1: (242, 154, 73), 2: (104, 96, 255)}
"""Colours of the labels' outlines, as in the panels: red, green, blue."""


def drawn(sample: Sample) -> QImage:
    """The sagittal slice in grey, with the outlines of its labels."""
    image = array(RELEASED / "imagesTr" / sample.file)
    labels = array(RELEASED / "labelsTr" / f"{sample.case}.nii.gz")
    x = int(np.argmax((labels > 0).sum(axis=(0, 1))))
    grey, marks = (part[::-1, ::-1, x] for part in (image, labels))
    low, high = np.percentile(grey, (1, 99))
    scaled = (255 * (grey - low) / (high - low)).clip(0, 255).astype(np.uint8)
    colored = np.repeat(scaled[..., None], 3, axis=2)
    for value, color in EDGES.items():
        colored[edge(marks == value)] = color
    return framed(colored)


def array(path: Path) -> np.ndarray:
    """Values (Z, Y, X) as floats."""
    return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), np.float32)


def edge(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask that have a neighbour outside."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside


def framed(colored: np.ndarray) -> QImage:
    """Pixels (rows, columns, 3) in the middle of a black picture."""
    rows, columns, _ = colored.shape
    inner = QImage(colored.tobytes(), columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    inner = inner.scaled(WIDTH, HEIGHT, Qt.AspectRatioMode.KeepAspectRatio)
    whole = QImage(WIDTH, HEIGHT, QImage.Format.Format_RGB888)
    whole.fill(Qt.GlobalColor.black)
    painter = QPainter(whole)
    painter.drawImage((WIDTH - inner.width()) // 2, (HEIGHT - inner.height()) // 2, inner)
    painter.end()
    return whole


if __name__ == "__main__":
    for sample in SAMPLES:
        drawn(sample).save(str(picture(RESOURCES, sample)))
