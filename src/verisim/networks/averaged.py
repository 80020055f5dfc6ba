"""One answer from several: networks that were trained apart, and inputs seen mirrored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """The mean logits of networks of one shape, e.g. those of five folds (Isensee 2021)."""

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, C, X, Y, Z) to logits (B, K, X, Y, Z)."""
        first, *others = self.members
        total: Tensor = first(patches).float()
        for member in others:
            total += member(patches)
        return total / len(self.members)


class Mirrored(nn.Module):
    """A network that also looks at every mirror image, 2 to the power of the axes.

    Args:
        network: (B, C, X, Y, Z) to logits.
        axes: Spatial axes, 0 for x.
    """

    def __init__(self, network: nn.Module, axes: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.flips = [
            tuple(axis + 2 for axis in chosen)
            for count in range(1, len(axes) + 1)
            for chosen in combinations(axes, count)
        ]

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, C, X, Y, Z) to logits (B, K, X, Y, Z)."""
        total: Tensor = self.network(patches).float()
        for flip in self.flips:
            total += self.network(patches.flip(flip)).flip(flip)
        return total / (len(self.flips) + 1)


class SinglePrecision(nn.Module):
    """A network that computes in single precision where others would take bfloat16."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, C, X, Y, Z) to logits (B, K, X, Y, Z)."""
        with torch.autocast(patches.device.type, enabled=False):
            logits: Tensor = self.network(patches.float())
        return logits
