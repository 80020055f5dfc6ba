"""Layers with the weights and names of torch's own, made faster on processors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Conv3d):
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


class FirstConvolution(Convolution):
    """The convolution that sees the image, always in single precision.

    Rounding the image moves the answer more than all later rounding, and its few channels cost
    next to nothing.
    """

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


class EarlyConvolution(Convolution):
    """A convolution near the beginning of a coarser stage: single precision, but for training.

    Everything behind it inherits its rounding, and at lower resolution it costs little.
    """

    def forward(self, features: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return super().forward(features)
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


class Upsampling(nn.ConvTranspose3d):
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


class InstanceNorm(nn.InstanceNorm3d):
    """Instance normalization that leaves patches in the layout they have.

    torch's own copies patches whose channels come last, twice a layer.
    """

    def forward(
        self, features: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
    ) -> Tensor:
        """Normalize (B, C, X, Y, Z), then scale by 1 + (B, C) and shift by (B, C), if given."""
        if len(features) > 1 and features.is_contiguous():
            normed = super().forward(features)
            return normed if scale is None or shift is None else _modulated(normed, scale, shift)
        ones = features.chunk(len(features))
        normed_ones = [self._alone(one, *_of(k, scale, shift)) for k, one in enumerate(ones)]
        return normed_ones[0] if len(ones) == 1 else torch.cat(normed_ones)

    def _alone(self, features: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if scale is not None and shift is not None:  # at no cost, in the same pass
            weight = weight * (1 + scale.float())
            bias = bias * (1 + scale.float()) + shift.float()
        # of one instance, the statistics of the batch are those of the instance
        return functional.batch_norm(
            features, None, None, weight, bias, training=True, eps=self.eps
        )


def _of(k: int, *told: Tensor | None) -> list[Tensor | None]:
    return [None if one is None else one[k] for one in told]


def _modulated(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    spread = (..., *(None,) * (features.ndim - 2))
    return features * (1 + scale[spread]) + shift[spread]


class Head(nn.Conv3d):
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
