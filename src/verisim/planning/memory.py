"""What a network needs of a graphics card, estimated by the size of its feature maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from verisim.errors import BadInput
from verisim.networks.unet import Triple, UNet
from verisim.planning.topology import Topology

REFERENCE_GB = 8.0
"""Memory that the presets' allowances stand for."""

SMALLEST_BATCH = 2
"""Patches a step, even where they cover more of the data than `LARGEST_SHARE`."""

PresetName = Literal["plain", "residual"]


@dataclass(frozen=True)
class Preset:
    """The family of networks a plan is made of (Isensee 2021, 2024).

    Args:
        name: "plain" for nnU-Net's own U-Net, "residual" for its ResEnc M.
        numbers: Numbers in the feature maps that 8 GB hold at the reference batch of volumes.
        numbers_of_slices: Likewise of slices.
        encoder: Convolutions, or residual blocks, of each stage on the way down.
        decoder: Convolutions of each stage on the way up.
        shares_batch: Whether the smallest batch must fit, as for "plain", or one patch as for
            "residual".
        features: Feature maps of the finest stage.
        most_features: Of any stage.
        most_features_of_slices: Likewise, in a network for slices.
    """

    name: PresetName
    numbers: int
    numbers_of_slices: int
    encoder: tuple[int, ...]
    decoder: int
    shares_batch: bool
    features: int = 32
    most_features: int = 320
    most_features_of_slices: int = 512

    def network(self, topology: Topology, flat: bool) -> UNet:
        """The U-Net of that topology; features double from stage to stage up to a limit."""
        most = self.most_features_of_slices if flat else self.most_features
        stages = range(topology.stages)
        depths = (*self.encoder, *(self.encoder[-1],) * topology.stages)[: topology.stages]
        return UNet(
            features=tuple(min(most, self.features * 2**stage) for stage in stages),
            strides=topology.strides,
            kernel_sizes=topology.kernel_sizes,
            convolutions=depths,
            decoder_convolutions=(self.decoder,) * (topology.stages - 1),
            residual=self.name == "residual",
        )


PRESETS = (
    Preset("plain", 560_000_000, 85_000_000, (2,), 2, shares_batch=True),
    Preset("residual", 680_000_000, 135_000_000, (1, 3, 4, 6), 1, shares_batch=False),
)


class Budget:
    """What fits into the memory of a graphics card.

    Args:
        memory_gb: Of the card.
        preset: Family of networks.
        channels: That the network sees.
        classes: Labels and background.

    Raises:
        BadInput: No memory at all.
    """

    def __init__(self, memory_gb: float, preset: Preset, channels: int, classes: int) -> None:
        if not memory_gb > 0:
            raise BadInput(f"{memory_gb:g} GB hold no network.", "Say e.g. --memory 8.")
        self.memory_gb = memory_gb
        self.preset = preset
        self._channels, self._classes = channels, classes
        self._known: dict[tuple[UNet, Triple], int] = {}

    def numbers(self, network: UNet, patch_size: Triple) -> int:
        """Numbers in all feature maps of one patch, as nnU-Net counts them."""
        key = network, patch_size
        if key not in self._known:
            with torch.device("meta"):  # a network without memory: only its shapes are asked
                built: Any = network.build(self._channels, self._classes)
            self._known[key] = int(built.compute_conv_feature_map_size(patch_size))
        return self._known[key]

    def allowance(self, flat: bool) -> float:
        """Numbers that the reference batch may have."""
        preset = self.preset
        allowed = preset.numbers_of_slices if flat else preset.numbers
        return allowed * self.memory_gb / REFERENCE_GB

    def fits(self, numbers: int, flat: bool) -> bool:
        """Whether such patches fit, at the fewest."""
        share = SMALLEST_BATCH / reference_batch(flat) if self.preset.shares_batch else 1.0
        return numbers * share <= self.allowance(flat)

    def batch(self, numbers: int, flat: bool) -> int:
        """How many such patches fit."""
        return round(self.allowance(flat) / numbers * reference_batch(flat))


def reference_batch(flat: bool) -> int:
    """Patches whose feature maps the allowances of a preset count for."""
    return 12 if flat else 2


def preset_of(name: str) -> Preset:
    """The preset of that name.

    Raises:
        BadInput: There is none.
    """
    found = [preset for preset in PRESETS if preset.name == name]
    if not found:
        raise BadInput(
            f"There is no preset {name!r}.",
            f"Choose one of: {', '.join(preset.name for preset in PRESETS)}.",
        )
    return found[0]
