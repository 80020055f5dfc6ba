"""The U-Nets of nnU-Net, of the very classes that nnU-Net v2 uses: weights can be exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import Tensor, nn
from torch.nn import functional

from verisim.errors import BadCard

Triple = tuple[int, int, int]


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

    features: tuple[int, ...]
    strides: tuple[Triple, ...]
    kernel_sizes: tuple[Triple, ...]
    convolutions: int | tuple[int, ...] = 2
    decoder_convolutions: int | tuple[int, ...] = 2
    residual: bool = False

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.strides) == len(self.kernel_sizes) > 1:
            raise BadCard(
                f"A U-Net of {len(self.features)} stages cannot have {len(self.strides)} strides "
                f"and {len(self.kernel_sizes)} kernel sizes.",
                "Give each stage its features, stride and kernel size; two stages at least.",
            )
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
            norm_op=_InstanceNorm,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
            deep_supervision=deep_supervision,
            **depths,
        )
        heads = network.get_submodule("decoder.seg_layers")
        assert isinstance(heads, nn.ModuleList), "both classes keep their heads in a list"
        for k, head in enumerate(heads):
            assert isinstance(head, nn.Conv3d), "both classes end in a convolution"
            heads[k] = _Head(head)
        first = next(m for m in network.modules() if type(m) is nn.Conv3d)
        first.__class__ = _FirstConvolution
        for module in network.modules():
            if type(module) is nn.Conv3d:
                module.__class__ = _Convolution  # the same weights under the same names
            elif type(module) is nn.ConvTranspose3d:
                module.__class__ = _Upsampling
        return network

    @property
    def divisor(self) -> Triple:
        """A patch must be a multiple of this along each axis."""
        x, y, z = (prod(axis) for axis in zip(*self.strides, strict=True))
        return x, y, z


class _Convolution(nn.Conv3d):
    """A convolution that oneDNN does on a processor, whatever the size.

    For a single small patch torch itself chooses a way that is several times slower.
    """

    def forward(self, features: Tensor) -> Tensor:
        if not _for_onednn(features) or isinstance(self.padding, str):
            return super().forward(features)
        return torch.mkldnn_convolution(
            features,
            self.weight,
            self.bias,
            self.padding,
            self.stride,
            self.dilation,
            self.groups,
        )


class _FirstConvolution(_Convolution):
    """The convolution that sees the image, always in single precision.

    Rounding the image moves the answer more than all later rounding, and its few channels cost
    next to nothing.
    """

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


class _Upsampling(nn.ConvTranspose3d):
    """A transposed convolution that answers in the layout of its input.

    Else it is copied when it is joined with what came over the skip connection.
    """

    def forward(self, features: Tensor, output_size: list[int] | None = None) -> Tensor:
        upsampled = super().forward(features, output_size)
        if features.is_contiguous():
            return upsampled
        return upsampled.contiguous(memory_format=torch.channels_last_3d)


def _for_onednn(features: Tensor) -> bool:
    return (
        features.device.type == "cpu"
        and features.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.is_grad_enabled()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    )


class _InstanceNorm(nn.InstanceNorm3d):
    """Instance normalization that leaves patches in the layout they have.

    torch's own copies patches whose channels come last, twice a layer.
    """

    def forward(self, features: Tensor) -> Tensor:
        if len(features) == 1:
            return self._alone(features)
        if features.is_contiguous():
            return super().forward(features)
        return torch.cat([self._alone(one) for one in features.chunk(len(features))])

    def _alone(self, features: Tensor) -> Tensor:
        # of one instance, the statistics of the batch are those of the instance
        return functional.batch_norm(
            features, None, None, self.weight, self.bias, training=True, eps=self.eps
        )


class _Head(nn.Conv3d):
    """A last layer, always in single precision: it decides between classes, and costs nothing."""

    def __init__(self, head: nn.Conv3d) -> None:
        super().__init__(head.in_channels, head.out_channels, 1, bias=head.bias is not None)
        self.weight, self.bias = head.weight, head.bias

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            if features.is_contiguous():
                return super().forward(features.float())
            # with the channels last a 1x1x1 convolution is one product of matrices
            voxels = features.float().movedim(1, -1)
            return functional.linear(voxels, self.weight.flatten(1), self.bias).movedim(-1, 1)


def _each(depths: int | tuple[int, ...], stages: int) -> tuple[int, ...]:
    return (depths,) * stages if isinstance(depths, int) else tuple(depths)
