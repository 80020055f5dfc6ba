"""Images for label maps by chance alone: there are no weights, and nothing is learned."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from pydantic import ConfigDict
from torch import nn

from verisim.errors import BadCard, BadInput
from verisim.networks.unet import Triple
from verisim.seeds import check_seed


@dataclass(frozen=True)
class RandomContrast:
    """The place of a network in the card of a generator that has none (Billot 2023).

    Args:
        tissues: Kinds of tissue that may lie behind the labels, at most.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    tissues: int = 6

    def __post_init__(self) -> None:
        if not 1 <= self.tissues <= 100:
            raise BadInput(f"{self.tissues} tissues cannot be drawn.", "Say 1 to 100.")

    @property
    def divisor(self) -> Triple:
        """Images of every size are made."""
        return 1, 1, 1

    def build(self, channels: int, classes: int) -> nn.Module:
        """Refused: there is no network.

        Raises:
            BadCard: Always.
        """
        raise BadCard(
            f"What makes {channels} channel(s) for {classes} classes by chance has no network.",
            "Train a diffusion model instead.",
        )


@dataclass(frozen=True)
class Chance:
    """How far chance goes; every case draws anew, from nothing to this.

    Args:
        turn: Degrees about each axis.
        zoom: Of the size, a share.
        bend: Voxels by which shapes are pushed about.
        spread: Deviation within a tissue; the means of tissues lie from 0 to 1.
        bias: How far the brightness goes up and down over the image, as an exponent.
        blur: Deviation in voxels.
        thickness: Voxels along one axis that become one.
        gamma: Deviation of the exponent's logarithm.
        noise: Deviation; the image lies from 0 to 1.
        seed: Decides all of it: the same seed gives the same cases.

    Raises:
        BadInput: Numbers that are no such numbers.
    """

    turn: float = 10.0
    zoom: float = 0.1
    bend: float = 2.0
    spread: float = 0.12
    bias: float = 0.4
    blur: float = 0.8
    thickness: float = 2.5
    gamma: float = 0.3
    noise: float = 0.05
    seed: int = 0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        for name in ("turn", "zoom", "bend", "spread", "bias", "blur", "gamma", "noise"):
            number: float = getattr(self, name)
            if not (isfinite(number) and number >= 0):
                raise BadInput(f"A {name} of {number:g} cannot be drawn.", "Say 0 or more.")
        if self.zoom >= 1 or not 1 <= self.thickness <= 100:
            raise BadInput(
                f"A zoom of {self.zoom:g} and a thickness of {self.thickness:g} cannot be drawn.",
                "Say a zoom below 1, and a thickness of 1 to 100 voxels.",
            )
        check_seed(self.seed)
