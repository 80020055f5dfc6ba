"""Probability and uncertainty of every voxel, which a segmentation tells when it is asked to."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, get_args

import numpy as np
import torch

from verisim.errors import StorageFailed
from verisim.fractions import Fractions, as_fractions
from verisim.volume import Array, Volume

MapKind = Literal["probability", "uncertainty"]
"""What a map may tell."""

MAP_KINDS: tuple[MapKind, ...] = get_args(MapKind)

IN_MEMORY = 2**26
"""Bytes of a map; larger ones lie on the disk."""


@dataclass(frozen=True)
class Maps:
    """What is known of each voxel of the input beside its label; empty where not asked for.

    Args:
        probability: Of each label, in the order of the card; what is missing to 1 is background.
        uncertainty: See `uncertainty`.
    """

    probability: Mapping[str, Fractions] = field(default_factory=dict)
    uncertainty: Fractions | None = None

    def placed_like(self, volume: Volume) -> Maps:
        """The same with the axes of a volume, on its voxels."""

        def placed(one: Fractions) -> Fractions:
            # turning back may move the affine by rounding: the place is that of the volume
            return one.new(one.reoriented(volume.orientation).array, volume.affine)

        return Maps(
            {name: placed(one) for name, one in self.probability.items()},
            placed(self.uncertainty) if self.uncertainty else None,
        )


class MapMaking:
    """Maps that are filled row by row; where nobody looks, all is surely background.

    Args:
        like: Their voxels.
        box: The part of them that is filled.
        labels: Name to value.
        kinds: Those that are wanted.

    Raises:
        StorageFailed: The disk has no room for them.
    """

    def __init__(
        self,
        like: Volume,
        box: tuple[slice, slice, slice],
        labels: Mapping[str, int],
        kinds: Collection[MapKind],
    ) -> None:
        self._affine = like.affine
        self._box = box
        self._labels = labels
        named = labels if "probability" in kinds else ()
        self._probability = {name: _zeros(like.spatial_shape) for name in named}
        self._uncertainty = _zeros(like.spatial_shape) if "uncertainty" in kinds else None

    def fill(self, rows: slice, probabilities: Array) -> None:
        """Take in some rows of the box, (K, n, Y, Z), background first."""
        if not self._probability and self._uncertainty is None:
            return
        shares = probabilities / probabilities.sum(axis=0)  # means in half precision miss 1
        for name, whole in self._probability.items():
            whole[self._box][rows] = as_fractions(shares[self._labels[name]])
        if self._uncertainty is not None:
            self._uncertainty[self._box][rows] = as_fractions(uncertainty(shares))

    @property
    def maps(self) -> Maps:
        """All rows."""
        return Maps(
            {name: Fractions(one, self._affine) for name, one in self._probability.items()},
            None if self._uncertainty is None else Fractions(self._uncertainty, self._affine),
        )


def uncertainty(probabilities: Array) -> Array:
    """The entropy of the classes' probabilities, 0 where one is certain, 1 where all are alike.

    -Σ p log p (Shannon 1948, section 6), here divided by log K so that it ends at 1. Of the mean
    of several answers (an ensemble, samples) it is the predictive entropy (Gal 2016, section
    3.3.1; Kendall & Gal 2017): it holds what they disagree on, too.

    Args:
        probabilities: (K, …) float32 with the sum 1, two classes or more.
    """
    entropy = torch.special.entr(torch.from_numpy(probabilities)).sum(dim=0)
    found: Array = (entropy / math.log(len(probabilities))).clamp(0, 1).numpy()
    return found


def _zeros(shape: tuple[int, int, int]) -> Array:
    """Room for a map; a large one lies in a file without a name, which leaves with the map."""
    size = math.prod(shape) * np.dtype(np.uint16).itemsize
    if size <= IN_MEMORY:
        return np.zeros(shape, np.uint16)
    with tempfile.TemporaryFile() as file:
        _reserve(file, size)
        return np.memmap(file, np.uint16, "r+", shape=shape)


def _reserve(file: BinaryIO, size: int) -> None:
    """Make a file of zeros; a disk without room ends the program if it is found out later."""
    try:
        file.truncate(size)
        if hasattr(os, "posix_fallocate"):  # Linux
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        raise StorageFailed(
            f"A map of {size / 1e9:.1f} GB has no room in {tempfile.gettempdir()}: "
            f"{error.strerror}.",
            "Free some space there, or name another folder with TMPDIR.",
        ) from error
