"""Numbers from 0 to 1 on the voxels of a volume, such as probabilities, in 16 bits each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verisim.errors import UnsupportedVolume
from verisim.volume import Array, Volume

ONE = 2**15
"""What stands for 1: a power of 2, so that a file's slope of 1/ONE gives exactly 1 back."""


@dataclass(frozen=True, eq=False)
class Fractions(Volume):
    """A volume of numbers from 0 to 1, right to 0.00002, in half the memory of single precision.

    Args:
        array: (X, Y, Z), unsigned integers of 16 bits, `ONE` for 1.
        affine: (4, 4), voxel index to RAS+ mm.

    Raises:
        UnsupportedVolume: Other axes or numbers.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.array.ndim != 3 or self.array.dtype != np.uint16:
            raise UnsupportedVolume(
                f"Fractions have three axes of unsigned 16 bits, not {self.array.ndim} "
                f"of {self.array.dtype}.",
                "Make them with `as_fractions`, one volume for each channel.",
            )

    @property
    def values(self) -> Array:
        """The numbers themselves, float32."""
        values: Array = np.multiply(self.array, 1 / ONE, dtype=np.float32)
        return values


def as_fractions(values: Array) -> Array:
    """Numbers from 0 to 1 as the integers that stand for them."""
    rounded: Array = np.rint(values * ONE).astype(np.uint16)
    return rounded
