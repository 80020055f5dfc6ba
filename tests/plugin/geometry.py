"""Places of volumes that no flip or turn maps onto each other."""

from __future__ import annotations

import numpy as np
import pytest


def turned() -> np.ndarray:
    """Oblique and anisotropic."""
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, c, -s], [0, s, c]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, 1.3, 2.9])
    affine[:3, 3] = (-11.125, 23.7, 1 / 3)
    return affine


FLIPPED = turned() @ np.diag([1.0, -1.0, 1.0, 1.0])
SHEARED = turned() @ np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
AFFINES = pytest.mark.parametrize(
    "affine", [np.eye(4), turned(), FLIPPED], ids=["plain", "oblique", "flipped"]
)
