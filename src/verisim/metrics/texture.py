"""What a label looks like inside: how bright, how even, how coarse (radiomics)."""

from __future__ import annotations

from math import log2

import numpy as np
from scipy import stats
from skimage.feature import graycoprops

from verisim.metrics.overlap import Mask
from verisim.volume import Array

LEVELS = 16
"""Grey levels between which neighbours are counted."""

FEWEST_VOXELS = 10
"""Of fewer nothing is told."""

DARKEST, BRIGHTEST = 1.0, 99.0
"""Percentiles within the label that bound the grey levels."""

COARSENESS = ("contrast", "homogeneity", "correlation", "energy")
"""Of neighbours' grey levels (Haralick 1973), in skimage's words."""


def texture_of(image: Array, mask: Mask) -> dict[str, float]:
    """Figures of one label in an image; of almost nothing all are nan.

    Brightness is told in deviations of the whole image from its mean: the units of scanners
    differ.

    Args:
        image: (X, Y, Z).
        mask: Where the label is, (X, Y, Z).
    """
    values = image[mask].astype(np.float64)
    names = ("mean", "deviation", "skewness", "kurtosis", "entropy", *COARSENESS)
    if len(values) < FEWEST_VOXELS or np.ptp(values) == 0:
        return dict.fromkeys(names, float("nan"))
    bright = (values - image.mean()) / image.std()
    levels = _levels(image, values)
    shares = np.bincount(levels[mask], minlength=LEVELS) / len(values)
    figures = (
        float(bright.mean()),
        float(bright.std()),
        float(stats.skew(values)),
        float(stats.kurtosis(values)),
        -sum(share * log2(share) for share in shares.tolist() if share),
    )
    neighbours = _neighbours(levels, mask)
    coarse = (float(graycoprops(neighbours, name)[0, 0]) for name in COARSENESS)
    return dict(zip(names, (*figures, *coarse), strict=True))


def _levels(image: Array, values: Array) -> Array:
    low, high = np.percentile(values, (DARKEST, BRIGHTEST))
    scaled = (image - low) / max(high - low, 1e-6) * LEVELS
    levels: Array = np.clip(scaled, 0, LEVELS - 1).astype(np.intp)
    return levels


def _neighbours(levels: Array, mask: Mask) -> Array:
    """Share of each pair of levels among voxels of the label beside each other, either way.

    Returns:
        (LEVELS, LEVELS, 1, 1), as skimage wants it; it counts itself in two dimensions only.
    """
    counts = np.zeros((LEVELS, LEVELS))
    for axis in range(levels.ndim):
        moved, inside = np.moveaxis(levels, axis, 0), np.moveaxis(mask, axis, 0)
        both = inside[:-1] & inside[1:]
        np.add.at(counts, (moved[:-1][both], moved[1:][both]), 1)
    counts += counts.T
    shares: Array = counts / max(counts.sum(), 1)
    return shares[:, :, np.newaxis, np.newaxis]
