"""The U-Nets of nnU-Net, of the very classes that nnU-Net v2 uses: weights can be exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from pydantic import ConfigDict
from torch import nn

from verisim.errors import BadCard
from verisim.networks.layers import (
    Convolution,
    EarlyConvolution,
    FirstConvolution,
    Head,
    InstanceNorm,
    Upsampling,
)

Triple = tuple[int, int, int]

EARLY = 2
"""So many convolutions of each coarser stage on the way down compute in single precision."""


@dataclass(frozen=True)
class UNet:
    """What makes one U-Net different from another (Ronneberger 2015; Isensee 2021, 2024).

    A network for slices is one whose kernels and strides are 1 along the slice axis.

    Args:
        features: Feature maps of each stage, finest first.
        strides: Voxel step of each stage; the first is (1, 1, 1).
        kernel_sizes: Convolution kernel of each stage.
        convolutions: On the way down: convolutions of each stage, or residual blocks; one number
            is meant for every stage.
        decoder_convolutions: Convolutions of each stage on the way up, coarsest first; there is
            one stage less; one number is meant for every stage.
        residual: Whether the way down is made of residual blocks (nnU-Net's ResEnc presets).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    features: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernel_sizes: tuple[Triple, ...]
    convolutions: int | tuple[int, ...] = 2
    decoder_convolutions: int | tuple[int, ...] = 2
    residual: bool = False

    def __post_init__(self) -> None:
        check_stages("U-Net", self.features, self.strides, self.kernel_sizes)
        if len(self.encoder_depths) != self.stages or len(self.decoder_depths) != self.stages - 1:
            raise BadCard(
                f"A U-Net of {self.stages} stages cannot have {self.convolutions} convolutions on "
                f"the way down and {self.decoder_convolutions} on the way up.",
                "Give one number for each stage, and one less on the way up; or one for all.",
            )

    @property
    def stages(self) -> int:
        """Resolutions."""
        return len(self.features)

    @property
    def encoder_depths(self) -> tuple[int, ...]:
        """Convolutions or residual blocks of each stage on the way down."""
        return _each(self.convolutions, self.stages)

    @property
    def decoder_depths(self) -> tuple[int, ...]:
        """Convolutions of each stage on the way up."""
        return _each(self.decoder_convolutions, self.stages - 1)

    def build(self, channels: int, classes: int, deep_supervision: bool = False) -> nn.Module:
        """The network: (B, channels, X, Y, Z) to (B, classes, X, Y, Z) logits.

        With deep supervision it returns a list, the finest logits first, one per decoder stage.
        """
        depths: dict[str, Any] = {
            "n_blocks_per_stage" if self.residual else "n_conv_per_stage": self.encoder_depths,
            "n_conv_per_stage_decoder": self.decoder_depths,
        }
        architecture = ResidualEncoderUNet if self.residual else PlainConvUNet
        network: nn.Module = architecture(
            input_channels=channels,
            n_stages=self.stages,
            features_per_stage=list(self.features),
            conv_op=nn.Conv3d,
            kernel_sizes=[list(kernel) for kernel in self.kernel_sizes],
            strides=[list(stride) for stride in self.strides],
            num_classes=classes,
            conv_bias=True,
            norm_op=InstanceNorm,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
            deep_supervision=deep_supervision,
            **depths,
        )
        _quicken(network)
        return network

    @property
    def divisor(self) -> Triple:
        """A patch must be a multiple of this along each axis."""
        return divisor_of(self.strides)


def _quicken(network: nn.Module) -> None:
    """Give the layers our own classes: the same weights under the same names."""
    heads = _listed(network, "decoder.seg_layers")
    for k, head in enumerate(heads):
        assert isinstance(head, nn.Conv3d), "both classes end in a convolution"
        heads[k] = Head(head)
    _plain_convolutions(network)[0].__class__ = FirstConvolution
    for stage in list(_listed(network, "encoder.stages"))[1:]:
        for convolution in _plain_convolutions(stage)[:EARLY]:
            convolution.__class__ = EarlyConvolution
    for convolution in _plain_convolutions(network):
        convolution.__class__ = Convolution
    for module in network.modules():
        if type(module) is nn.ConvTranspose3d:
            module.__class__ = Upsampling


def _plain_convolutions(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if type(module) is nn.Conv3d]


def _listed(network: nn.Module, name: str) -> nn.ModuleList | nn.Sequential:
    found = network.get_submodule(name)
    assert isinstance(found, nn.ModuleList | nn.Sequential), "both classes keep them in a row"
    return found


def _each(depths: int | tuple[int, ...], stages: int) -> tuple[int, ...]:
    return (depths,) * stages if isinstance(depths, int) else tuple(depths)


def check_stages(
    kind: str,
    features: Sequence[int],
    strides: Sequence[Triple],
    kernel_sizes: Sequence[Triple],
) -> None:
    """Refuse a network whose stages are not each described.

    Raises:
        BadCard: Says how many of what there are.
    """
    if not len(features) == len(strides) == len(kernel_sizes) > 1:
        raise BadCard(
            f"A {kind} of {len(features)} stages cannot have {len(strides)} strides "
            f"and {len(kernel_sizes)} kernel sizes.",
            "Give each stage its features, stride and kernel size; two stages at least.",
        )


def divisor_of(strides: Sequence[Triple]) -> Triple:
    """What a patch must be a multiple of along each axis."""
    x, y, z = (prod(axis) for axis in zip(*strides, strict=True))
    return x, y, z
