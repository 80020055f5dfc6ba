"""Networks that make cases out of noise: a label map first, then the image that goes with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from verisim.networks.attributes import Attribute, channels_of, check_attributes
from verisim.networks.boxes import Boxes
from verisim.networks.layers import Head
from verisim.networks.timed import TIME_CHANNELS, Decoder, Encoder, Time
from verisim.networks.unet import Triple, UNet, check_stages, divisor_of

LOUDNESS = 10.0
"""Of attributes beside the time, whose embedding is dozens long: an optimizer moves all weights
by steps of one size, and without it attributes were a hundredth of the time after 1000 steps."""


class CasePlan:
    """What all plans of a diffusion of cases tell of their stages and attributes."""

    strides: tuple[Triple, ...]
    attributes: tuple[Attribute, ...]

    @property
    def divisor(self) -> Triple:
        """A patch must be a multiple of this along each axis."""
        return divisor_of(self.strides)

    @property
    def coarse(self) -> Triple:
        """Voxels along each axis that one voxel of the label maps' grid stands for."""
        return self.strides[1]

    @property
    def told(self) -> int:
        """A, the channels that tell attributes: one a value."""
        return channels_of(self.attributes)


@dataclass(frozen=True)
class CaseDiffusion(CasePlan):
    """What makes one diffusion model of cases different from another.

    Label maps are smooth: they are made on a grid as coarse as the second stage, by the stages
    but the finest.

    Args:
        features: Feature maps of each stage, finest first.
        strides: Voxel step of each stage; the first is (1, 1, 1).
        kernel_sizes: Convolution kernel of each stage.
        joint: Whether image and labels are made together, as channels of one picture, instead
            of one after the other (as in Akbar 2025).
        attributes: What may be asked of a case beside its labels.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    features: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernel_sizes: tuple[Triple, ...]
    joint: bool = False
    attributes: tuple[Attribute, ...] = ()

    @classmethod
    def like(cls, unet: UNet, joint: bool = False) -> CaseDiffusion:
        """As many stages, of the same sizes, as a U-Net."""
        return cls(unet.features, unet.strides, unet.kernel_sizes, joint)

    def __post_init__(self) -> None:
        check_stages("generator", self.features, self.strides, self.kernel_sizes)
        check_attributes(self.attributes)

    @property
    def without_finest(self) -> CaseDiffusion:
        """The stages that make label maps."""
        strides = ((1, 1, 1), *self.strides[2:])
        return replace(
            self, features=self.features[1:], strides=strides, kernel_sizes=self.kernel_sizes[1:]
        )

    def build(self, channels: int, classes: int) -> CaseGenerator:
        """The networks for images of so many channels and label maps of so many classes."""
        # where the volume is, within the patch, is known in any case: 1 inside
        if self.joint:
            both = CaseDenoiser(self, channels + classes, 1)
            return CaseGenerator(self, channels, classes, None, both)
        labels = CaseDenoiser(self.without_finest, classes, 1)
        image = CaseDenoiser(self, channels, classes + 1)
        return CaseGenerator(self, channels, classes, labels, image)


class CaseDenoiser(nn.Module):
    """What is noisy, its time and what is known to what the network predicts.

    It also sees where each voxel lies: of one organ there is one, at about the same place.

    Attributes are told with the time. As channels they would be lost: instance normalization
    takes away whatever is the same everywhere.

    Args:
        plan: Its shape.
        made: Channels that it cleans.
        known: K, channels of the condition; behind them those of the attributes may follow.
    """

    def __init__(self, plan: CaseDiffusion, made: int, known: int) -> None:
        super().__init__()
        self.made, self.known = made, known
        self.time = Time(TIME_CHANNELS)
        self.encoder = Encoder(plan, made + known + 3, time=True)
        self.decoder = Decoder(plan)
        self.head = Head(nn.Conv3d(plan.features[0], made, kernel_size=1))
        # at first they say nothing, so that training can begin with weights that never heard them
        silent = torch.zeros(TIME_CHANNELS, plan.told)
        self.attributes = nn.Parameter(silent) if plan.told else None

    def forward(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """Predict.

        Args:
            noisy: (B, made, X, Y, Z).
            t: Time of each, (B,), 0 to 1.
            condition: What is known, (B, K, X, Y, Z), or (B, K + A, X, Y, Z) with attributes;
                where all of an attribute's channels are 0 it is unknown.

        Returns:
            (B, made, X, Y, Z).
        """
        told = self.time(t)
        if self.attributes is not None and condition.shape[1] > self.known:
            attributes = condition[:, self.known :, 0, 0, 0]  # they are the same everywhere
            told = told + LOUDNESS * functional.linear(attributes, self.attributes)
        return self.predicted(noisy, condition[:, : self.known], told)

    def predicted(self, noisy: Tensor, seen: Tensor, told: Tensor) -> Tensor:
        """Predict from what is told of time and attributes.

        Args:
            noisy: (B, made, X, Y, Z).
            seen: What is known, without attributes, (B, K, X, Y, Z).
            told: (B, TIME_CHANNELS).
        """
        features = torch.cat([noisy, seen, _places(noisy)], dim=1)
        skips: list[Tensor] = []
        for stage in self.encoder.stages:
            features = stage(features, told)
            skips.append(features)
        answer: Tensor = self.head(self.decoder(skips, told))
        return answer

    def nothing_but_box(self, condition: Tensor) -> Tensor:
        """A condition (B, K, X, Y, Z) or (B, K + A, X, Y, Z) without labels and attributes."""
        box = torch.zeros_like(condition)
        box[:, self.known - 1] = condition[:, self.known - 1]
        return box


class CaseGenerator(Boxes):
    """The networks of one model.

    Diffusion makes the voxels of an image themselves; a model that makes something else out of
    which images can be decoded says so in `told`, `encoded` and `decoded`.

    Args:
        plan: Their shape.
        channels: C of the image.
        classes: K of the label map, background included.
        labels: Makes label maps; None: they are made together with the image.
        image: Makes what images are decoded from.
    """

    shown_every = 1
    """Guesses from one that is shown to the next."""

    def __init__(
        self,
        plan: CasePlan,
        channels: int,
        classes: int,
        labels: CaseDenoiser | None,
        image: CaseDenoiser,
    ) -> None:
        super().__init__()
        self.plan, self.channels, self.classes = plan, channels, classes
        self.labels, self.image = labels, image

    @property
    def denoisers(self) -> tuple[CaseDenoiser, ...]:
        """In the order in which they make a case."""
        return (self.image,) if self.labels is None else (self.labels, self.image)

    def told(self, masks: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
        """What is known where images are made, the box last, and where there is anything to make.

        Args:
            masks: The label map, (B, K, X, Y, Z).
            inside: 1 where the volume is, (B, 1, X, Y, Z).
        """
        return torch.cat([masks, inside], dim=1), inside

    def encoded(self, image: Tensor, inside: Tensor) -> Tensor:
        """An image (B, C, X, Y, Z) as diffusion makes it."""
        return image

    def decoded(self, clean: Tensor, masks: Tensor, inside: Tensor) -> Tensor:
        """The image (B, C, X, Y, Z) that diffusion made."""
        return clean


def _places(like: Tensor) -> Tensor:
    """Coordinates of the voxels, -1 to 1 along each axis, (B, 3, X, Y, Z)."""
    axes = [torch.linspace(-1, 1, side, device=like.device) for side in like.shape[2:]]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return places.to(like.dtype).expand(len(like), *places.shape)
