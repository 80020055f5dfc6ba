"""What several label maps of one volume have in common, counted row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan

import numpy as np
import torch

from verisim.metrics import dice
from verisim.volume import Array, LabelMap, Volume


@dataclass(frozen=True)
class Prior:
    """What samples started from, to be read beside what they came to: they may hand it back.

    Args:
        model: Whose answer it was.
        volumes_ml: Of each label.
        dice: Of each label, how much the answer has in common with it.
    """

    model: str
    volumes_ml: Mapping[str, float]
    dice: Mapping[str, float]


@dataclass(frozen=True)
class Sampled:
    """What the samples of one volume say beside their mean.

    Args:
        volumes_ml: Of each label, one number a sample.
        agreement: Mean Dice of each two samples over the labels that either has; 1 of one sample.
        evaluations: Of the network, each for one sample of one patch.
        label_maps: Of the samples, if they were asked for.
        prior: What they started from, if not from noise alone.
    """

    volumes_ml: Mapping[str, tuple[float, ...]]
    agreement: float
    evaluations: int
    label_maps: tuple[LabelMap, ...] = ()
    prior: Prior | None = None

    def placed_like(self, volume: Volume) -> Sampled:
        """The same with the axes of a volume, on its voxels."""
        # turning back may move the affine by rounding: the place is that of the volume
        turned = (one.reoriented(volume.orientation) for one in self.label_maps)
        placed = tuple(one.new(one.array, volume.affine) for one in turned)
        return replace(self, label_maps=placed)

    @property
    def range_ml(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest volume of each label."""
        return {name: (min(found), max(found)) for name, found in self.volumes_ml.items()}


def compared(model: str, prior: LabelMap, answer: LabelMap) -> Prior:
    """A prior beside the answer that samples came to, on the same voxels."""
    shared = {name: dice(prior.binary(name), answer.binary(name)) for name in answer.labels}
    found = {name: one for name, one in shared.items() if not isnan(one)}
    return Prior(model, prior.volumes_ml, found)


class Consensus:
    """Takes in samples row by row, and counts; whole label maps are kept only where asked.

    Args:
        like: The voxels.
        box: The part of them that is filled.
        labels: Name to value.
        samples: How many.
        kept: Whether the samples' label maps are wanted.
    """

    def __init__(
        self,
        like: Volume,
        box: tuple[slice, slice, slice],
        labels: Mapping[str, int],
        samples: int,
        kept: bool = False,
    ) -> None:
        self._like, self._box, self._labels = like, box, labels
        kind = np.min_scalar_type(len(labels))
        whole = [np.zeros(like.spatial_shape, kind) for _ in range(samples)] if kept else []
        self._arrays = whole
        self._together = torch.zeros(len(labels), samples, samples, dtype=torch.float64)
        self._filled = 0

    def fill(self, probabilities: Array) -> None:
        """Probabilities of the next rows of each sample, (S, K, n, Y, Z), background first."""
        found = torch.from_numpy(probabilities).argmax(dim=1)
        rows = slice(self._filled, self._filled + found.shape[1])
        for whole, sample in zip(self._arrays, found.numpy(), strict=False):
            whole[self._box][rows] = sample
        for k, value in enumerate(self._labels.values()):
            inside = (found == value).flatten(1).float()
            self._together[k] += (inside @ inside.T).double()
        self._filled = rows.stop

    def sampled(self, evaluations: int) -> Sampled:
        """What was counted of all rows."""
        volumes = self._together.diagonal(dim1=1, dim2=2) * self._like.voxel_ml
        return Sampled(
            {name: tuple(volumes[k].tolist()) for k, name in enumerate(self._labels)},
            self._agreement,
            evaluations,
            tuple(LabelMap(one, self._like.affine, self._labels) for one in self._arrays),
        )

    @property
    def _agreement(self) -> float:
        """Mean of 2|A ∩ B| / (|A| + |B|) over the pairs of samples and the labels."""
        sizes = self._together.diagonal(dim1=1, dim2=2)
        both = sizes[:, :, None] + sizes[:, None, :]
        pairs = torch.triu(torch.ones(both.shape[1:], dtype=torch.bool), diagonal=1)
        seen = pairs & (both > 0)
        shared = 2 * self._together[seen] / both[seen]
        return float(shared.mean()) if shared.numel() else 1.0
