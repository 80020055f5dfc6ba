"""Volumes as points: what the deepest stage of a segmentation network sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from verisim.card import ModelCard
from verisim.errors import BadCard
from verisim.metrics.fidelity import Features
from verisim.networks.averaged import Average
from verisim.networks.unet import UNet
from verisim.progress import SILENT, Progress
from verisim.training.augmentation import seeded
from verisim.training.batches import crop
from verisim.volume import Volume

COMPONENTS = 16
"""Directions that are kept, of most variance among the training cases: with hundreds of
directions and dozens of cases a covariance is guesswork."""


@dataclass(frozen=True)
class Embedding:
    """Mean and deviation of each deepest feature over a volume's middle.

    Args:
        card: A U-Net that was trained on the site's own data.
        random: Whether its weights are drawn anew: a control that knows nothing of medicine.
        encoder: The part of it that is asked.
    """

    card: ModelCard
    random: bool = False
    encoder: nn.Module = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.card.network, UNet) or self.card.ensemble:
            raise BadCard(
                f"{self.card.title} is no single U-Net, whose features could be compared.",
                "Name a U-Net that was trained on such cases.",
            )
        network = self._drawn() if self.random else self.card.load()
        first = network.members[0] if isinstance(network, Average) else network
        object.__setattr__(self, "encoder", first.get_submodule("encoder"))

    def _drawn(self) -> nn.Module:
        with seeded(0):
            return self.card.build().eval()

    @property
    def title(self) -> str:
        """What it is called in a table."""
        return f"{self.card.title}{', random weights' if self.random else ''}"

    def __call__(self, volumes: Sequence[Volume], progress: Progress = SILENT) -> Features:
        """Features (N, D) of volumes."""
        points = []
        for k, volume in enumerate(volumes):
            progress.advance(k, len(volumes), "features")
            points.append(self._point(volume))
        return np.stack(points)

    def _point(self, volume: Volume) -> Features:
        turned = volume.reoriented(self.card.preprocessing.orientation or volume.orientation)
        prepared = self.card.preprocessing(turned)
        centre = [n // 2 for n in prepared.spatial_shape]
        patch = torch.from_numpy(crop(prepared.array, centre, self.card.patch_size)[np.newaxis])
        with torch.inference_mode():
            deepest = self.encoder(patch.float())[-1].double().flatten(2)
        point: Features = torch.cat([deepest.mean(2), deepest.std(2)], dim=1)[0].numpy()
        return point


@dataclass(frozen=True)
class Directions:
    """The directions of most variance among training cases, each of variance 1.

    Args:
        mean: Of the training cases, (D,).
        axes: (D, 16).
    """

    mean: Features
    axes: Features

    @classmethod
    def among(cls, features: Features) -> Directions:
        """Of training cases (N, D)."""
        mean = features.mean(axis=0)
        _, sizes, directions = np.linalg.svd(features - mean, full_matrices=False)
        kept = min(COMPONENTS, len(features) - 1)
        deviations = sizes[:kept] / np.sqrt(len(features) - 1)
        return cls(mean, (directions[:kept] / deviations[:, None]).T)

    def __call__(self, features: Features) -> Features:
        """Where cases (N, D) lie along them, (N, 16)."""
        placed: Features = (features - self.mean) @ self.axes
        return placed
