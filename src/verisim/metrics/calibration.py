"""Whether probabilities mean what they say, and whether doubt lies where the errors are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import rankdata

from verisim.metrics.overlap import Mask, check_same_shape

Values = npt.NDArray[np.floating[Any]]

BINS = 15
"""Of the confidence, as in Guo 2017."""

REGION_MM = 5.0
"""How far the region of interest reaches beyond the labels."""


def region_of_interest(
    predicted: Mask,
    truth: Mask,
    spacing_mm: tuple[float, float, float],
    reach_mm: float = REGION_MM,
) -> Mask:
    """Voxels of either mask and those around them: far away everybody is right and sure.

    Args:
        predicted: (X, Y, Z).
        truth: (X, Y, Z).
        spacing_mm: Voxel size.
        reach_mm: How far it reaches.
    """
    check_same_shape(predicted, truth)
    either = predicted | truth
    if not either.any():
        return either
    near: Mask = ndimage.distance_transform_edt(~either, spacing_mm) <= reach_mm
    return near


def calibration_error(confidence: Values, correct: Mask, bins: int = BINS) -> float:
    """Expected calibration error (Guo 2017, eq. 3): |accuracy - confidence|, averaged over bins.

    Args:
        confidence: Probability of the chosen class of each voxel, (N,).
        correct: Whether it is the right one, (N,).
        bins: Of equal width from 0 to 1.
    """
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    sums = np.bincount(place, confidence, bins)
    right = np.bincount(place, correct.astype(float), bins)
    return float(np.abs(right - sums).sum() / max(1, len(confidence)))


def error_auroc(uncertainty: Values, wrong: Mask) -> float:
    """How well uncertainty ranks wrong voxels above right ones: 1 always, 0.5 by chance.

    Mann and Whitney 1947; equal values count half. Without a wrong or without a right voxel there
    is nothing to rank: nan.

    Args:
        uncertainty: Of each voxel, (N,).
        wrong: Whether its label is wrong, (N,).
    """
    errors, rest = int(wrong.sum()), int((~wrong).sum())
    if not errors or not rest:
        return float("nan")
    ranks = rankdata(uncertainty)[wrong].sum()
    return float((ranks - errors * (errors + 1) / 2) / (errors * rest))
