"""A ball of two halves, seen well, and segmented badly."""

from __future__ import annotations

import numpy as np

from verisim.fractions import Fractions, as_fractions
from verisim.maps import Maps
from verisim.segmentation import Segmentation
from verisim.volume import LabelMap, Volume

LABELS = {"front": 3, "back": 7}
AFFINE = np.array([[-1.0, 0, 0, 20], [0, 1.0, 0, -5], [0, 0, 1.5, 3], [0, 0, 0, 1]])
SHAPE = (28, 30, 24)


def truth() -> LabelMap:
    """The halves of a ball of 8 mm."""
    array = np.zeros(SHAPE, np.uint8)
    index = np.indices(SHAPE) - np.array([13, 15, 11])[:, None, None, None]
    ball = (index[0] ** 2 + index[1] ** 2 + (1.5 * index[2]) ** 2) <= 64
    array[ball & (index[1] >= 0)] = LABELS["front"]
    array[ball & (index[1] < 0)] = LABELS["back"]
    return LabelMap(array, AFFINE, LABELS)


def image(seed: int = 0) -> Volume:
    """The ball is brighter than what is around it."""
    noise = np.random.default_rng(seed).normal(0, 0.3, SHAPE)
    return Volume(((truth().array > 0) + noise).astype(np.float32), AFFINE)


def bad_start(told: bool = True) -> Segmentation:
    """The ball's lower third is missing, and the model is half sure of that.

    Args:
        told: Whether it tells probabilities.
    """
    right = truth()
    array = right.array.copy()
    array[..., :9] = 0
    shares = {}
    for name, value in LABELS.items():
        share = np.where(array == value, 0.9, 0.03)
        share[(right.array == value) & (array != value)] = 0.2
        shares[name] = Fractions(as_fractions(share), AFFINE)
    maps = Maps(shares) if told else Maps()
    return Segmentation(right.new(array), 0.9, {}, maps=maps)


def place(*voxel: int) -> tuple[float, float, float]:
    """RAS mm of a voxel."""
    x, y, z = (float(mm) for mm in (AFFINE @ (*voxel, 1))[:3])
    return x, y, z
