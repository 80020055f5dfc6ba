"""Draws the icons: each `.svg` of this folder as a `.png` beside it.

Run with the plugin's environment: `.venv-plugin/bin/python plugin/draw_icons.py`.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

SIDE_PX = 128


def drawn(svg: Path) -> QImage:
    """The picture, on nothing."""
    image = QImage(SIDE_PX, SIDE_PX, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(str(svg)).render(painter)
    painter.end()
    return image


if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.rglob("*.svg")):
        drawn(path).save(str(path.with_suffix(".png")))
