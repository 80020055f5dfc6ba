"""Networks asked in another way: several at once, mirrored, exactly, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

SURE = 20.0
"""Logit of a class beside which the others have no probability to speak of."""


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


def mirror_images(axes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """What to flip of (B, C, X, Y, Z) for every mirror image; first nothing.

    Args:
        axes: Spatial axes, 0 for x.
    """
    counts = range(len(axes) + 1)
    return tuple(
        tuple(axis + 2 for axis in chosen) for n in counts for chosen in combinations(axes, n)
    )


class Mirrored(nn.Module):
    """A network that also looks at every mirror image, 2 to the power of the axes.

    Args:
        network: (B, C, X, Y, Z) to logits.
        axes: Spatial axes, 0 for x.
    """

    def __init__(self, network: nn.Module, axes: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.flips = mirror_images(axes)[1:]

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, C, X, Y, Z) to logits (B, K, X, Y, Z)."""
        total: Tensor = self.network(patches).float()
        for flip in self.flips:
            total += self.network(patches.flip(flip)).flip(flip)
        return total / (len(self.flips) + 1)


class Skipping(nn.Module):
    """A network that is not asked about patches of one single value: they are background.

    Args:
        network: (B, C, X, Y, Z) to logits.
        classes: K, background included.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network
        self.classes = classes

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, C, X, Y, Z) to logits (B, K, X, Y, Z)."""
        lowest, highest = patches.aminmax()
        if lowest < highest:
            logits: Tensor = self.network(patches)
            return logits
        background = patches.new_zeros((len(patches), self.classes, *patches.shape[2:]))
        background[:, 0] = SURE
        return background


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
