"""How each channel's intensities are normalized: its name decides (Isensee 2021)."""

from __future__ import annotations

from verisim.errors import BadDataset
from verisim.fingerprint import Fingerprint, Intensities
from verisim.normalization import Normalization

CROPPED_AWAY = 3 / 4
"""Where cropping leaves less of the median volume, a z-score looks at what is not zero."""


def normalizations(fingerprint: Fingerprint) -> tuple[Normalization, ...]:
    """One for each channel.

    Raises:
        BadDataset: A CT channel has one single intensity in the foreground.
    """
    masked = fingerprint.relative_size < CROPPED_AWAY
    pairs = zip(fingerprint.channels, fingerprint.intensities, strict=True)
    return tuple(_of(name, intensities, masked) for name, intensities in pairs)


def _of(name: str, intensities: Intensities, masked: bool) -> Normalization:
    match name.casefold():
        case "ct":
            return _ct(name, intensities)
        case "nonorm":
            return Normalization("none")
        case "rescale_to_0_1":
            return Normalization("0-1")
        case "rgb_to_0_1":
            return Normalization("rgb")
    return Normalization("z-score", masked=masked)


def _ct(name: str, seen: Intensities) -> Normalization:
    if not (seen.low < seen.high and seen.std > 0):
        raise BadDataset(
            f"The foreground of channel {name} is {seen.low:g} throughout.",
            "Check that these are the CT volumes, and that the labels belong to them.",
        )
    return Normalization("ct", mean=seen.mean, std=seen.std, low=seen.low, high=seen.high)
