"""The network that a generator has to convince (Karras 2020)."""

from __future__ import annotations

from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from verisim.networks.equalized import TINY, Convolution, Linear, activated
from verisim.networks.stylegan import StyleGan
from verisim.networks.unet import Triple

GROUP = 4
"""Cases that are compared with each other: a generator that always makes the same shows it."""


class Discriminator(nn.Module):
    """Cases to how real they look; the stages of the generator, in the other direction.

    Args:
        plan: Of the generator.
        channels: Of a case: image, masks, and the box.
    """

    def __init__(self, plan: StyleGan, channels: int) -> None:
        super().__init__()
        widths = plan.features
        self.start = Convolution(channels, widths[0], (1, 1, 1))
        self.stages = nn.ModuleList(
            Judging(widths[k], widths[k + 1], plan.kernel_sizes[k], plan.strides[k + 1])
            for k in range(len(widths) - 1)
        )
        self.last = Convolution(widths[-1] + 1, widths[-1], plan.kernel_sizes[-1])
        self.found = Linear(widths[-1] * prod(plan.coarsest), widths[-1])
        self.judged = Linear(widths[-1], 1)

    def forward(self, case: Tensor) -> Tensor:
        """Cases (B, C + K + 1, X, Y, Z) to logits (B,): above 0 they look real."""
        features = activated(self.start(case))
        for stage in self.stages:
            features = stage(features)
        features = activated(self.last(with_variety(features)))
        judged: Tensor = self.judged(activated(self.found(features.flatten(1))))
        return judged[:, 0].float()


class Judging(nn.Module):
    """Two convolutions to a coarser grid, beside a short way around them."""

    def __init__(self, before: int, after: int, kernel: Triple, step: Triple) -> None:
        super().__init__()
        self.first = Convolution(before, before, kernel)
        self.second = Convolution(before, after, kernel)
        self.around = Convolution(before, after, (1, 1, 1))
        self.step = step

    def forward(self, features: Tensor) -> Tensor:
        found = activated(self.second(activated(self.first(features))))
        along = self.around(functional.avg_pool3d(features, self.step))
        joined: Tensor = (functional.avg_pool3d(found, self.step) + along) / sqrt(2)
        return joined


def with_variety(features: Tensor) -> Tensor:
    """Features with one more map: how much cases of a group differ (Karras 2018, section 3).

    Args:
        features: (B, C, X, Y, Z).
    """
    size = GROUP if len(features) % GROUP == 0 else len(features)
    groups = features.float().reshape(size, -1, *features.shape[1:])
    deviation = (groups.var(dim=0, unbiased=False) + TINY).sqrt()
    varied = deviation.flatten(1).mean(dim=1)  # a number a group
    spread = varied.repeat(size)[:, None, None, None, None].to(features)
    return torch.cat([features, spread.expand(-1, 1, *features.shape[2:])], dim=1)
