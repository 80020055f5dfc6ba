"""Published rules, as measures, so that they are calibrated and counted in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verisim.audit.changes import flip, rotation
from verisim.audit.collection import Collection
from verisim.audit.likeness import Likeness
from verisim.audit.measure import Alignment, Matches
from verisim.audit.planting import Kind
from verisim.audit.texture import as_tensor, window_mean
from verisim.progress import SILENT, Progress

SSIM_SIDE = 7
C1, C2 = 0.01**2, 0.03**2
NEIGHBOURS = 50
ALPHA = 0.5


@dataclass(frozen=True)
class Pairwise:
    """A rule that compares a query with each training case at the same place.

    Args:
        name: "ssim" (Wang 2004), or "relative distance" (Carlini 2023): the distance to the
            nearest over half the mean distance to the 50 nearest, with its sign turned.
    """

    name: str

    def prepared(self, training: Collection, progress: Progress = SILENT) -> PairwiseIndex:
        """See `Measure`."""
        return PairwiseIndex(self.name, as_tensor(training.images), training.patients)


@dataclass(frozen=True, eq=False)
class PairwiseIndex:
    """See `Index`."""

    name: str
    images: Tensor
    patients: tuple[str, ...]

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """See `Index`."""
        scores, rows = [], []
        for k, image in enumerate(queries.images):
            query = as_tensor(image[np.newaxis])
            patient = None if not_of is None else not_of[k]
            allowed = torch.tensor([own != patient for own in self.patients])
            found = self._ssim(query) if self.name == "ssim" else self._relative(query, allowed)
            found = found.masked_fill(~allowed, -torch.inf)
            scores.append(float(found.max()))
            rows.append(int(found.argmax()))
        still = (Alignment(),) * len(rows)
        return Matches(self.name, np.array(scores), np.array(rows, dtype=np.intp), still)

    def _relative(self, query: Tensor, allowed: Tensor) -> Tensor:
        distances = (self.images - query).square().flatten(1).mean(1).sqrt()
        nearest = distances[allowed].topk(min(NEIGHBOURS, int(allowed.sum())), largest=False)
        return -distances / (ALPHA * nearest.values.mean())

    def _ssim(self, query: Tensor) -> Tensor:
        return torch.cat([_ssim(query, part) for part in torch.split(self.images, 16)])


def _ssim(query: Tensor, cases: Tensor) -> Tensor:
    """Mean structural similarity (N,), intensities from 0 to 1."""
    a, b = _unit(query), _unit(cases)
    sides = tuple(min(SSIM_SIDE, n) for n in a.shape[2:])
    ma, mb = window_mean(a, sides), window_mean(b, sides)
    va = window_mean(a * a, sides) - ma * ma
    vb = window_mean(b * b, sides) - mb * mb
    vab = window_mean(a * b, sides) - ma * mb
    value = (2 * ma * mb + C1) * (2 * vab + C2) / ((ma**2 + mb**2 + C1) * (va + vb + C2))
    return value.flatten(1).mean(1)


def _unit(images: Tensor) -> Tensor:
    low, high = images.amin((2, 3, 4), keepdim=True), images.amax((2, 3, 4), keepdim=True)
    return (images - low) / (high - low).clamp_min(1e-6)


def contrastive(steps: int) -> Likeness:
    """The rule of Dar 2023: positives are flips and small rotations of the same image."""
    own = (Kind("flip", (flip,)), Kind("rotation", (rotation(5.0),)), Kind("none", ()))
    return Likeness(kinds=own, steps=steps, numbers=32)
