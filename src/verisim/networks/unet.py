"""The U-Net of nnU-Net, of the very class that nnU-Net v2 uses: weights can be exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from dynamic_network_architectures.architectures.unet import PlainConvUNet
from torch import nn

from verisim.errors import BadCard

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class UNet:
    """What makes one U-Net different from another (Ronneberger 2015; Isensee 2021).

    Args:
        features: Feature maps of each stage, finest first.
        strides: Voxel step of each stage; the first is (1, 1, 1).
        kernel_sizes: Convolution kernel of each stage.
        convolutions: Convolutions of each stage, on the way down and up.
    """

    features: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernel_sizes: tuple[Triple, ...]
    convolutions: int = 2

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.strides) == len(self.kernel_sizes) > 1:
            raise BadCard(
                f"A U-Net of {len(self.features)} stages cannot have {len(self.strides)} strides "
                f"and {len(self.kernel_sizes)} kernel sizes.",
                "Give each stage its features, stride and kernel size; two stages at least.",
            )

    def build(self, channels: int, classes: int, deep_supervision: bool = False) -> nn.Module:
        """The network: (B, channels, X, Y, Z) to (B, classes, X, Y, Z) logits.

        With deep supervision it returns a list, the finest logits first, one per decoder stage.
        """
        stages = len(self.features)
        network: nn.Module = PlainConvUNet(
            input_channels=channels,
            n_stages=stages,
            features_per_stage=list(self.features),
            conv_op=nn.Conv3d,
            kernel_sizes=[list(kernel) for kernel in self.kernel_sizes],
            strides=[list(stride) for stride in self.strides],
            n_conv_per_stage=[self.convolutions] * stages,
            num_classes=classes,
            n_conv_per_stage_decoder=[self.convolutions] * (stages - 1),
            conv_bias=True,
            norm_op=nn.InstanceNorm3d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
            deep_supervision=deep_supervision,
        )
        return network

    @property
    def divisor(self) -> Triple:
        """A patch must be a multiple of this along each axis."""
        x, y, z = (prod(axis) for axis in zip(*self.strides, strict=True))
        return x, y, z
