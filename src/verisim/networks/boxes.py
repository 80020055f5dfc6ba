"""How large the volumes were that a network learned from: new ones are as large."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from verisim.networks.unet import Triple


class Boxes(nn.Module):
    """A network that remembers shapes of volumes as a Gaussian."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("box_mean", torch.zeros(3))
        self.register_buffer("box_factor", torch.zeros(3, 3))

    def remember(self, boxes: Sequence[Sequence[int]]) -> None:
        """How large the volumes are that it learns from, (X, Y, Z) each."""
        shapes = torch.tensor(boxes, dtype=torch.float64)
        centred = shapes - shapes.mean(dim=0)
        covariance = centred.T @ centred / max(1, len(shapes) - 1)
        factor = torch.linalg.cholesky(covariance + 1e-6 * torch.eye(3))
        self.get_buffer("box_mean").copy_(shapes.mean(dim=0))
        self.get_buffer("box_factor").copy_(factor)

    def box(self, patch: Sequence[int], generator: torch.Generator) -> Triple:
        """The shape of a new volume, at most as large as a patch."""
        drawn = torch.randn(3, generator=generator)
        sides = self.get_buffer("box_mean").cpu() + self.get_buffer("box_factor").cpu() @ drawn
        x, y, z = (
            max(1, min(int(side.round()), most)) for side, most in zip(sides, patch, strict=True)
        )
        return x, y, z
