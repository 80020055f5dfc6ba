"""From probabilities to the label map on the input's own voxels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from monai.transforms import KeepLargestConnectedComponent

from verisim.volume import Array, LabelMap, Volume


def label_map_like(
    probabilities: Volume, like: Volume, labels: Mapping[str, int]
) -> tuple[LabelMap, Array]:
    """The most probable class of each voxel of `like`, and how probable it is.

    One class is resampled at a time, so a large volume never holds all of them.

    Args:
        probabilities: (K, X, Y, Z), background first.
        like: The volume that was asked about.
        labels: Name to value.

    Returns:
        The label map, and the probability (X, Y, Z) of the class that won.
    """
    winner = np.zeros(like.spatial_shape, np.min_scalar_type(len(labels)))
    highest = np.full(like.spatial_shape, -1.0, np.float32)
    for value, channel in enumerate(probabilities.array):
        resampled = probabilities.new(channel).resampled_like(like).array
        better = resampled > highest
        winner[better] = value
        highest[better] = resampled[better]
    return LabelMap(winner, like.affine, labels), highest


def keep_largest(label_map: LabelMap, names: tuple[str, ...]) -> LabelMap:
    """Remove all but the largest connected component of some labels."""
    if not names:
        return label_map
    values = [label_map.labels[name] for name in names]
    kept = KeepLargestConnectedComponent(applied_labels=values, is_onehot=False)
    cleaned = np.asarray(kept(label_map.array[np.newaxis].copy())[0])
    return label_map.new(cleaned.astype(label_map.array.dtype))
