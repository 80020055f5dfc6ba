"""A network that corrects: it sees the image, what was said of it, and where a reader clicked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict
from torch import nn

from verisim.errors import BadCard
from verisim.networks.unet import Triple, UNet

Maps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ClickUNet:
    """A U-Net that is told of clicks (DeepEdit, Diaz-Pinto 2022; RITM, Sofiiuk 2022, section 3).

    Beside the image it is given one channel a class of the present label map, and one of the
    clicks, see `click_maps`.

    Args:
        unet: Its stages.
        spread_mm: Standard deviation of the Gaussian that stands for a click.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    unet: UNet
    spread_mm: float

    def __post_init__(self) -> None:
        if not self.spread_mm > 0:
            raise BadCard(
                f"A click cannot be {self.spread_mm:g} mm wide.", "Write a number above 0."
            )

    @property
    def divisor(self) -> Triple:
        """A patch must be a multiple of this along each axis."""
        return self.unet.divisor

    def build(self, channels: int, classes: int, deep_supervision: bool = False) -> nn.Module:
        """The network: (B, channels + 2 classes, X, Y, Z) to (B, classes, X, Y, Z) logits."""
        return self.unet.build(channels + 2 * classes, classes, deep_supervision)


def one_hot_channels(labels: npt.NDArray[np.uint8] | npt.NDArray[np.int16], classes: int) -> Maps:
    """One channel a class, (K, X, Y, Z) float32, of classes (X, Y, Z)."""
    channels: Maps = (np.arange(classes)[:, None, None, None] == labels).astype(np.float32)
    return channels


def click_maps(
    places: npt.NDArray[np.float64],
    says: npt.NDArray[np.int8],
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    spread_mm: float,
) -> Maps:
    """One channel a class: up to 1 where clicks say that it is, down to -1 that it is not.

    Whatever the order of the clicks, it is the same.

    Args:
        places: (N, 3), voxels; need not be whole.
        says: (N, K): 1 if the class is said to be there, -1 if it is said not to, 0 if it may.
        shape: (X, Y, Z).
        spacing_mm: Millimetres per voxel along each axis.
        spread_mm: Standard deviation of each click's Gaussian.

    Returns:
        (K, X, Y, Z) float32.
    """
    risen, fallen = (np.zeros((says.shape[1], *shape), np.float32) for _ in range(2))
    for place, said in zip(places, says, strict=True):
        x, y, z = (
            np.exp(-(((np.arange(n) - at) * mm / spread_mm) ** 2) / 2).astype(np.float32)
            for n, at, mm in zip(shape, place, spacing_mm, strict=True)
        )
        bump = x[:, None, None] * y[:, None] * z
        for maps, sign in ((risen, 1), (fallen, -1)):
            for k in np.flatnonzero(said == sign):
                np.maximum(maps[k], bump, out=maps[k])
    return risen - fallen
