"""Networks as others publish them, small enough to be made in a test."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from verisim.training.augmentation import seeded


class Eyes(nn.Module):
    """Looks at a picture through random filters, and says how strong each is where."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, 8, 7, stride=4, padding=3)

    def forward(self, pictures: Tensor) -> Tensor:
        seen = functional.adaptive_avg_pool2d(self.look(pictures).abs(), [8, 8]).flatten(1)
        return functional.normalize(seen - seen.mean(1, keepdim=True), dim=1)


class Maps(nn.Module):
    """Gives a picture back, and no embedding."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures * 2


class Nothing(nn.Module):
    """Gives numbers that are none."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.flatten(1)[:, :8] / 0 - torch.ones(1) / 0


class Chance(nn.Module):
    """Forgets to stop learning."""

    def forward(self, pictures: Tensor) -> Tensor:
        return functional.dropout(pictures.flatten(1)[:, :64], 0.5, training=True)


def saved(path: Path, network: nn.Module) -> Path:
    """A network as a TorchScript file, as SSCD's authors publish theirs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        torch.jit.script(network).save(str(path))
    return path


def eyes(path: Path, channels: int = 3) -> Path:
    """Always the same eyes, as a TorchScript file."""
    with seeded(0):
        return saved(path, Eyes(channels))
