"""How much two masks overlap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from verisim.errors import BadGeometry

Mask = npt.NDArray[np.bool_]


def dice(predicted: Mask, truth: Mask) -> float:
    """Twice the shared voxels over the voxels of both masks: 1 is the same, 0 is apart.

    Two empty masks have nothing to compare and give nan; one empty mask gives 0.

    Args:
        predicted: (X, Y, Z).
        truth: (X, Y, Z).

    Raises:
        BadGeometry: The masks have different shapes.
    """
    check_same_shape(predicted, truth)
    both = np.count_nonzero(predicted) + np.count_nonzero(truth)
    if both == 0:
        return float("nan")
    return 2 * np.count_nonzero(np.logical_and(predicted, truth)) / both


def check_same_shape(predicted: Mask, truth: Mask) -> None:
    """Refuse masks that cannot be compared voxel by voxel.

    Raises:
        BadGeometry: The masks have different shapes.
    """
    if predicted.shape != truth.shape:
        raise BadGeometry(
            f"Masks of shape {predicted.shape} and {truth.shape} cannot be compared.",
            "Resample one to the grid of the other first.",
        )
