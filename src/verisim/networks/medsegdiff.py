"""MedSegDiff's network: a noisy mask is cleaned with an image in view (Wu 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from verisim.networks.fourier import FFParser
from verisim.networks.layers import Convolution, Head
from verisim.networks.spectral import SpectralAttention
from verisim.networks.timed import TIME_CHANNELS, Decoder, Encoder, Time
from verisim.networks.unet import Triple, UNet, check_stages, divisor_of

FREQUENCIES = 16
"""Of the attentive map along an axis; half as many along the last, whose spectrum is halved."""


@dataclass(frozen=True)
class MedSegDiff:
    """What makes one MedSegDiff different from another.

    A network for slices is one whose kernels and strides are 1 along the slice axis.

    Args:
        features: Feature maps of each stage, finest first.
        strides: Voxel step of each stage; the first is (1, 1, 1).
        kernel_sizes: Convolution kernel of each stage.
        dynamic: Whether the image's features are weighted anew at each step by those of the mask
            (dynamic conditional encoding); else they are added as they are.
        ff_parser: Whether the mask's features are filtered by frequency before.
        spectral: Whether, at the coarsest stage, the mask also asks the image frequency by
            frequency (the SS-Former of MedSegDiff V2; Wu 2024).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    features: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernel_sizes: tuple[Triple, ...]
    dynamic: bool = True
    ff_parser: bool = True
    spectral: bool = False

    @classmethod
    def like(cls, unet: UNet) -> MedSegDiff:
        """As many stages, of the same sizes, as a U-Net."""
        return cls(unet.features, unet.strides, unet.kernel_sizes)

    def __post_init__(self) -> None:
        check_stages("MedSegDiff", self.features, self.strides, self.kernel_sizes)

    @property
    def divisor(self) -> Triple:
        """A patch must be a multiple of this along each axis."""
        return divisor_of(self.strides)

    def build(self, channels: int, classes: int) -> MaskDenoiser:
        """The network for images of so many channels and masks of so many classes."""
        return MaskDenoiser(self, channels, classes)


class MaskDenoiser(nn.Module):
    """x_t, t and an image to the logits of the mask, or whatever it is trained to predict.

    The image is encoded once, for all steps and all samples; only what weights its features
    changes with the step (Wu 2022, section 2.2).

    Args:
        plan: Its shape.
        channels: C of the image.
        classes: K of the mask, background included.
    """

    def __init__(self, plan: MedSegDiff, channels: int, classes: int) -> None:
        super().__init__()
        self.channels, self.classes = channels, classes
        self.time = Time(TIME_CHANNELS)
        self.image_encoder = Encoder(plan, channels, time=False)
        self.mask_encoder = Encoder(plan, channels + classes, time=True)
        self.conditions = nn.ModuleList(
            DynamicCondition(width, _grid(kernel) if plan.ff_parser else None, plan.dynamic)
            for width, kernel in zip(plan.features, plan.kernel_sizes, strict=True)
        )
        width = plan.features[-1]
        self.attention = SpectralAttention(width, TIME_CHANNELS) if plan.spectral else None
        self.decoder = Decoder(plan)
        self.head = Head(nn.Conv3d(plan.features[0], classes, kernel_size=1))

    def look(self, image: Tensor) -> tuple[Looked, ...]:
        """What every stage knows of an image (B, C, X, Y, Z), finest first."""
        seen: list[Looked] = []
        features = image
        stages = zip(self.image_encoder.stages, self.conditions, strict=True)
        for stage, condition in stages:
            assert isinstance(condition, DynamicCondition), "made so above"
            features = stage(features, None)
            seen.append(condition.looked_at(features))
        return tuple(seen)

    def forward(
        self, noisy: Tensor, t: Tensor, image: Tensor, seen: Sequence[Looked] | None = None
    ) -> Tensor:
        """Clean masks.

        Args:
            noisy: x_t, (B, K, X, Y, Z).
            t: Time of each, (B,), 0 to 1.
            image: (B, C, X, Y, Z), or (1, C, X, Y, Z) for all.
            seen: What `look` said of the image, if it was asked before.

        Returns:
            (B, K, X, Y, Z).
        """
        seen = self.look(image) if seen is None else seen
        told = self.time(t)
        features = torch.cat([noisy, image.expand(len(noisy), *image.shape[1:])], dim=1)
        skips: list[Tensor] = []
        stages = zip(self.mask_encoder.stages, self.conditions, seen, strict=True)
        for stage, condition, of_image in stages:
            features = condition(stage(features, told), of_image)
            skips.append(features)
        if self.attention is not None:
            skips[-1] = self.attention(skips[-1], seen[-1].image, told)
        logits: Tensor = self.head(self.decoder(skips, told))
        return logits


@dataclass(frozen=True)
class Looked:
    """What a stage knows of an image, for all steps and all samples.

    Args:
        image: Its features, (B or 1, C, X, Y, Z); LN(m_I) ⊗ m_I where they are weighted anew.
        attentive: The frequency parser's map for their size; None without one.
    """

    image: Tensor
    attentive: Tensor | None


class DynamicCondition(nn.Module):
    """A(m_I, m_x) = (LN(m_I) ⊗ LN(m_x)) ⊗ m_I, added to the mask's features (Wu 2022, eq. 4).

    Since m_x changes with the step, so does what the image contributes.

    Args:
        width: Feature maps of either.
        grid: Of the frequency parser that m_x goes through; None for none.
        dynamic: False: the image's features are added as they are.
    """

    def __init__(self, width: int, grid: Sequence[int] | None, dynamic: bool = True) -> None:
        super().__init__()
        self.parser = FFParser(width, grid) if grid else None
        self.of_image = nn.LayerNorm(width) if dynamic else None
        self.of_mask = nn.LayerNorm(width) if dynamic else None
        self.mixing = Convolution(width, width, kernel_size=1)

    def looked_at(self, image: Tensor) -> Looked:
        """What no step changes, of the image's features (B or 1, C, X, Y, Z)."""
        normed = image if self.of_image is None else _over_channels(self.of_image, image) * image
        attentive = self.parser.map_for(image.shape[2:]) if self.parser else None
        return Looked(normed, attentive)

    def forward(self, mask: Tensor, looked: Looked) -> Tensor:
        """Condition the mask's features (B, C, X, Y, Z)."""
        parsed: Tensor = self.parser(mask, looked.attentive) if self.parser else mask
        weighted = looked.image
        if self.of_mask is not None:
            weighted = _over_channels(self.of_mask, parsed) * weighted
        mixed: Tensor = self.mixing(weighted)
        return parsed + mixed


def _over_channels(norm: nn.LayerNorm, features: Tensor) -> Tensor:
    # in the precision of the features: the sums inside are exact enough in any
    with torch.autocast(features.device.type, enabled=False):
        normed: Tensor = functional.layer_norm(
            features.movedim(1, -1),
            norm.normalized_shape,
            norm.weight.to(features.dtype),
            norm.bias.to(features.dtype),
            norm.eps,
        )
    return normed.movedim(-1, 1)


def _grid(kernel: Triple) -> Triple:
    """Frequencies of the attentive map: one along an axis that convolutions do not look along."""
    x, y, z = (FREQUENCIES if side > 1 else 1 for side in kernel)
    return x, y, z // 2 + 1
