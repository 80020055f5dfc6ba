"""A small picture of a case while it becomes clean."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from torch import Tensor

from verisim.files.atomic import replacing
from verisim.volume import Array

PIXELS = 240
"""Of the longer side, about."""

DARKEST, BRIGHTEST = 1, 99
"""Percentiles that are drawn black and white."""


@dataclass
class Preview:
    """Draws the middle slice of what it is shown, at most every so often.

    Args:
        path: A picture, .png, written again and again; always a whole one.
        seconds: Between two pictures.
    """

    path: Path
    seconds: float = 1.0
    _drawn: float = field(default=-inf, init=False, repr=False)

    def __call__(self, picture: Tensor) -> None:
        """Show a guess.

        Args:
            picture: (X, Y, Z), an image or the values of a label map.

        Raises:
            StorageFailed: The disk refused.
        """
        now = time.monotonic()
        if now - self._drawn < self.seconds:
            return
        self._drawn = now
        pixels = middle_slice(picture.float().cpu().numpy())
        low, high = np.percentile(pixels, (DARKEST, BRIGHTEST))
        with replacing(self.path) as temporary:
            imsave(
                temporary, pixels, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), format="png"
            )


def middle_slice(array: Array) -> Array:
    """Across the shortest axis, or the first of those; enlarged, for a person."""
    axis = int(np.argmin(array.shape))
    plane = np.take(array, array.shape[axis] // 2, axis)
    enlarged = max(1, PIXELS // max(plane.shape))
    # rows are drawn from the top: what points up shall be there
    drawn: Array = np.kron(plane.T[::-1], np.ones((enlarged, enlarged)))
    return drawn


def nobody(picture: Tensor) -> None:
    """Nobody watches."""
