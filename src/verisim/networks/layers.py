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
