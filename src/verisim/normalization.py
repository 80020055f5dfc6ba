"""Intensities made comparable between volumes, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from verisim.errors import BadCard, UnsupportedVolume
from verisim.volume import Array

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Normalization:
    """How one channel is normalized (Isensee 2021).

    Args:
        kind: "z-score": mean 0 and standard deviation 1 in every volume; "ct": clipped to `low`
            and `high`, then `mean` and `std` of the training data's foreground; "0-1": smallest
            to 0, largest to 1; "rgb": divided by 255; "none": left as it is.
        masked: Whether a z-score looks at the non-zero part only, and leaves the rest at 0.
        mean: Of the training data's foreground, e.g. in HU.
        std: Likewise.
        low: Its 0.5th percentile.
        high: Its 99.5th percentile.
    """

    kind: Literal["z-score", "ct", "0-1", "rgb", "none"] = "z-score"
    masked: bool = False
    mean: float = 0.0
    std: float = 1.0
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if self.kind == "ct" and not (self.low < self.high and self.std > 0):
            raise BadCard(
                f"A CT normalization cannot clip to {self.low:g} … {self.high:g} and divide by "
                f"{self.std:g}.",
                "Give low < high and std > 0, in HU, as the fingerprint of the data set has them.",
            )

    def __call__(self, channel: Array, mask: Mask | None = None, number: int = 0) -> Array:
        """The normalized channel, float32.

        Args:
            channel: (X, Y, Z) float32.
            mask: The non-zero part (X, Y, Z), for a masked z-score.
            number: Of the channel, for the error.

        Raises:
            UnsupportedVolume: A z-score of one single value, or a colour out of 0..255.
        """
        match self.kind:
            case "z-score":
                return _z_score(channel, mask if self.masked else None, number)
            case "ct":
                clipped = np.clip(channel, np.float32(self.low), np.float32(self.high))
                return (clipped - np.float32(self.mean)) / np.float32(self.std)
            case "0-1":
                return _zero_to_one(channel)
            case "rgb":
                return _rgb(channel)
        return channel


Z_SCORE = Normalization("z-score")


def _z_score(channel: Array, mask: Mask | None, number: int) -> Array:
    seen = channel if mask is None else channel[mask]
    low, high = float(seen.min()), float(seen.max())
    if low == high:
        raise UnsupportedVolume(
            f"Channel {number} has the value {low:g} in every voxel: there is nothing to see.",
            "Send the volume itself; this may be an empty or masked-out copy.",
        )
    mean, std = seen.mean(dtype=np.float64), seen.std(dtype=np.float64)
    scored: Array = ((channel - mean) / std).astype(np.float32)
    return scored if mask is None else np.where(mask, scored, channel)


def _zero_to_one(channel: Array) -> Array:
    shifted: Array = channel - channel.min()
    shifted /= max(float(shifted.max()), 1e-8)
    return shifted


def _rgb(channel: Array) -> Array:
    low, high = float(channel.min()), float(channel.max())
    if low < 0 or high > 255:
        raise UnsupportedVolume(
            f"A colour image has values from 0 to 255, not {low:g} to {high:g}.",
            "Send the photograph itself, 8 bits a colour.",
        )
    return channel / np.float32(255)
