"""A grid of small pictures, one for each synthetic case."""

from __future__ import annotations

import numpy as np
import qt

from VerisimLib.cases import MadeCase

SIDE = 96
"""Pixels."""

PREVIEW = "preview"


class Thumbnails:
    """Pictures in a list; each stands for a volume of the scene.

    Args:
        widget: A QListWidget in icon mode.
    """

    def __init__(self, widget: qt.QListWidget) -> None:
        self.widget = widget
        widget.setIconSize(qt.QSize(SIDE, SIDE))
        widget.setMinimumHeight(SIDE + 40)
        self._ids: list[str] = []

    @property
    def chosen(self) -> str:
        """ID of the volume that is looked at; empty if there is none."""
        row = self.widget.currentRow
        return self._ids[row] if 0 <= row < len(self._ids) else ""

    def add(self, id_: str, case: MadeCase) -> None:
        """One more case, seen at its middle."""
        self._put(_icon(_pixmap(middle(case))), f"{len(self._ids) + 1}", id_)

    def preview(self, picture: bytes) -> None:
        """The case in the making (PNG)."""
        pixmap = qt.QPixmap()
        pixmap.loadFromData(qt.QByteArray(picture))
        if PREVIEW in self._ids:
            self.widget.item(self._ids.index(PREVIEW)).setIcon(_icon(pixmap))
        else:
            self._put(_icon(pixmap), "…", PREVIEW)

    def forget_preview(self) -> None:
        """The case is made."""
        if PREVIEW in self._ids:
            self.remove(PREVIEW)

    def choose_last(self, count: int) -> None:
        """Look at the first of the last few."""
        self.widget.setCurrentRow(len(self._ids) - count)

    def mark(self, id_: str) -> None:
        """Show that a case is kept."""
        item = self.widget.item(self._ids.index(id_))
        item.setText(f"{item.text().rstrip(' ✓')} ✓")

    def remove(self, id_: str) -> None:
        """Take a picture away."""
        row = self._ids.index(id_)
        del self._ids[row]
        self.widget.takeItem(row)

    def clear(self) -> None:
        """Take all away."""
        self._ids = []
        self.widget.clear()

    def _put(self, icon: qt.QIcon, text: str, id_: str) -> None:
        self._ids.append(id_)
        self.widget.addItem(qt.QListWidgetItem(icon, text))


def middle(case: MadeCase) -> np.ndarray:
    """The middle axial slice as grey bytes (rows, columns), labels' edges white.

    Anterior is up and the patient's right is left, as in the views.
    """
    array = case.image.array if case.image.array.ndim == 3 else case.image.array[0]
    k = array.shape[2] // 2
    image, labels = array[:, :, k].astype(float), case.labels.array[:, :, k]
    low, high = np.percentile(image, (1, 99))
    grey = 255 * (image - low) / max(high - low, 1e-6)
    edges = np.zeros(labels.shape, bool)
    edges[1:] |= labels[1:] != labels[:-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    grey[edges] = 255
    return np.ascontiguousarray(grey.clip(0, 255).astype(np.uint8).T[::-1, ::-1])


def _pixmap(grey: np.ndarray) -> qt.QPixmap:
    height, width = grey.shape
    padded = np.zeros((height, -(-width // 4) * 4), np.uint8)  # Qt's lines are of whole words
    padded[:, :width] = grey
    image = qt.QImage(padded.tobytes(), width, height, qt.QImage.Format_Grayscale8)
    return qt.QPixmap.fromImage(image)


def _icon(pixmap: qt.QPixmap) -> qt.QIcon:
    scaled = pixmap.scaled(SIDE, SIDE, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation)
    return qt.QIcon(scaled)
