"""The named labels of a label map, as files store them."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from verisim.errors import UnsupportedVolume
from verisim.volume import LabelMap

Color = tuple[float, float, float]

GOLDEN_ANGLE = 0.618
"""Step of the hue: any number of colours stay apart."""


@dataclass(frozen=True)
class Segment:
    """One label.

    Args:
        color: Red, green and blue from 0 to 1.
    """

    name: str
    value: int
    color: Color


def segments_of(label_map: LabelMap, colors: Mapping[str, Color] | None) -> tuple[Segment, ...]:
    """Every label by rising value, whether a voxel has it or not; values without name get one."""
    named = sorted(label_map.labels.items(), key=lambda item: item[1])
    present = np.unique(label_map.array[label_map.array > 0]).tolist()
    values = {value for _, value in named}
    named += [(f"label_{value}", value) for value in present if value not in values]
    chosen = colors or {}
    return tuple(
        Segment(name, value, chosen.get(name, color_of(n)))
        for n, (name, value) in enumerate(named)
    )


def found_labels(array: npt.NDArray[Any]) -> dict[str, int]:
    """The values above 0, value v under the name "label_v"."""
    return {f"label_{value}": int(value) for value in np.unique(array[array > 0])}


def whole_numbers(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Label values in the smallest unsigned type, uint8 for all but the largest label maps.

    Raises:
        UnsupportedVolume: A value that is negative or no whole number.
    """
    if array.dtype.kind == "f":
        odd = array[~np.isfinite(array) | (array != np.round(array))]
        if odd.size:
            raise UnsupportedVolume(
                f"A label map holds whole numbers, not {odd.flat[0]:g}.",
                "Was this the image instead of its labels?",
            )
    if array.min() < 0:
        raise UnsupportedVolume(
            f"A label map holds values from 0, not {array.min():g}.", "Number the labels from 1."
        )
    return array.astype(np.min_scalar_type(int(array.max())))


def color_of(n: int) -> Color:
    """The colour of label number n, as far from its neighbours' as the golden ratio allows."""
    red, green, blue = colorsys.hsv_to_rgb((0.08 + n * GOLDEN_ANGLE) % 1, 0.7, 0.95)
    return round(red, 3), round(green, 3), round(blue, 3)
