"""Which training cases a query may be a copy of: every pose, every shift, every training case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from verisim.audit.poses import Matrix, resampled, tilts, turns
from verisim.audit.shifts import Peaks, ShiftSearch
from verisim.audit.texture import Band, pooled

SEARCH_STEP = 2
"""Voxels of the working grid in one of the search: an eighth of the work in volumes."""

TILES = 5
"""Places of a tile along each of the first two axes; a tile is half as long as the box."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Training cases that may be laid onto a query.

    Args:
        rows: Of the training cases, (K,).
        peaks: Correlation that the search saw, with its sign, (K,).
        starts: Voxels of the query, from the middle, to those of the training case, (K, 3, 4).
        weights: Where the query is looked at, (K, 1, X, Y, Z).
    """

    rows: Tensor
    peaks: Tensor
    starts: Tensor
    weights: Tensor

    @property
    def signs(self) -> Tensor:
        """-1 where black and white are exchanged."""
        return torch.where(self.peaks < 0, -1.0, 1.0)

    def subset(self, chosen: Tensor) -> Candidates:
        """Some of them."""
        return Candidates(
            self.rows[chosen], self.peaks[chosen], self.starts[chosen], self.weights[chosen]
        )


@dataclass(frozen=True, eq=False)
class CandidateSearch:
    """Textures of training cases, searched in every pose.

    Args:
        shifts: Finds the best shift of each.
        band: The texture that is compared.
        flat: Whether they are slices.
    """

    shifts: ShiftSearch
    band: Band
    flat: bool

    @classmethod
    def of(cls, textures: Iterable[Tensor], band: Band) -> CandidateSearch:
        """Of textures (N, C, X, Y, Z) on the working grid, some at a time."""
        small = torch.cat([_searched(some) for some in textures])
        return cls(ShiftSearch.of(small), band, small.shape[4] == 1)

    def whole(self, image: Tensor, allowed: Tensor, count: int) -> Candidates:
        """The best training cases for a whole query.

        Args:
            image: (1, C, X, Y, Z) on the working grid.
            allowed: Which training cases count, (N,).
            count: How many are wanted.
        """
        views, matrices = self._views(image)
        weights = torch.ones_like(image[:, :1])
        return _best(
            self.shifts(views),
            matrices,
            weights.expand(len(views), -1, -1, -1, -1),
            allowed,
            count,
        )

    def parts(self, image: Tensor, allowed: Tensor, count: int) -> Candidates:
        """The best training cases for some tile of a query, unturned; see `whole`."""
        texture = self.band(image)
        weights = tiles(image.shape[2:]).to(image.device)
        views = _searched(texture * weights)
        still = [np.eye(3)] * len(weights)
        return _best(self.shifts(views), still, weights, allowed, count)

    def _views(self, image: Tensor) -> tuple[Tensor, list[Matrix]]:
        """The query's texture in every pose, and from each view to the query."""
        views, matrices = [], []
        for k, tilt in enumerate(tilts(self.flat)):
            map_ = torch.from_numpy(np.concatenate([tilt, np.zeros((3, 1))], 1)).float()
            tilted = resampled(image, map_[None].to(image.device)) if k else image
            texture = self.band(tilted)
            # what is turned and tilted or zoomed at once is looked for with one flip at most
            for turn in turns(self.flat, most=1 if k else 3):
                views.append(_searched(turn(texture)))
                matrices.append(tilt @ turn.matrix)
        return torch.cat(views), matrices


def tiles(shape: torch.Size) -> Tensor:
    """Where each tile lies: overlapping quarters of the first two axes, (T, 1, X, Y, Z)."""
    x, y = (n // 2 for n in shape[:2])
    starts = [np.linspace(0, n - n // 2, TILES).round().astype(int) for n in shape[:2]]
    weights = torch.zeros(TILES**2, 1, *shape)
    for k, (a, b) in enumerate(product(*starts)):
        weights[k, :, a : a + x, b : b + y] = 1
    return weights


def _searched(textures: Tensor) -> Tensor:
    """Textures on the grid of the search, channels together."""
    return pooled(textures.mean(1, keepdim=True), SEARCH_STEP)


def _best(
    peaks: Peaks, matrices: list[Matrix], weights: Tensor, allowed: Tensor, count: int
) -> Candidates:
    """The best view of each training case, and of these the best."""
    strength = peaks.values.abs().masked_fill(~allowed, -1.0)
    strongest, views = strength.max(dim=0)
    rows = strongest.topk(min(count, int(allowed.sum()))).indices
    which = views[rows]
    starts = []
    for view, row in zip(which.tolist(), rows.tolist(), strict=True):
        shift = peaks.shifts[view, row].double().cpu().numpy() * -SEARCH_STEP
        starts.append(np.concatenate([np.linalg.inv(matrices[view]), shift[:, None]], axis=1))
    start = torch.from_numpy(np.stack(starts)).float().to(weights.device)
    if weights.shape[4] == 1:
        start[:, 2, 3] = 0  # one layer is not halved
    return Candidates(rows, peaks.values[which, rows], start, weights[which])
