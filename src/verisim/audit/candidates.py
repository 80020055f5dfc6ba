"""Which training cases a query may be a copy of: every pose, every shift, every training case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from verisim.audit.far_poses import FarSearch, Placed
from verisim.audit.poses import Matrix, resampled, tilts, turns
from verisim.audit.shifts import SEARCH_STEP, Peaks, ShiftSearch, searched
from verisim.audit.spectra import Spectra
from verisim.audit.texture import Band

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
        far: Finds what was turned far.
        band: The texture that is compared.
        flat: Whether they are slices.
    """

    shifts: ShiftSearch
    far: FarSearch
    band: Band
    flat: bool

    @classmethod
    def of(cls, textures: Iterable[Tensor], band: Band) -> CandidateSearch:
        """Of textures (N, C, X, Y, Z) on the working grid, some at a time."""
        small = torch.cat([searched(some) for some in textures])
        shifts = ShiftSearch.of(small)
        far = FarSearch(Spectra.of(small), shifts, band)
        return cls(shifts, far, band, small.shape[4] == 1)

    def whole(self, image: Tensor, allowed: Tensor, count: int) -> Candidates:
        """The best training cases for a whole query.

        Args:
            image: (1, C, X, Y, Z) on the working grid.
            allowed: Which training cases count, (N,).
            count: How many are wanted.
        """
        views, matrices = self._views(image)
        near, which = _nearest(self.shifts(views), matrices)
        everywhere = torch.ones_like(image[:, :1])
        placed = near.or_better(self.far(image))
        return _best(placed, everywhere, torch.zeros_like(which), allowed, count)

    def parts(self, image: Tensor, allowed: Tensor, count: int) -> Candidates:
        """The best training cases for some tile of a query, unturned; see `whole`."""
        texture = self.band(image)
        weights = tiles(image.shape[2:]).to(image.device)
        views = searched(texture * weights)
        placed, which = _nearest(self.shifts(views), [np.eye(3)] * len(weights))
        return _best(placed, weights, which, allowed, count)

    def _views(self, image: Tensor) -> tuple[Tensor, list[Matrix]]:
        """The query's texture in every pose, and from each view to the query."""
        views, matrices = [], []
        for k, tilt in enumerate(tilts(self.flat)):
            map_ = torch.from_numpy(np.concatenate([tilt, np.zeros((3, 1))], 1)).float()
            tilted = resampled(image, map_[None].to(image.device)) if k else image
            texture = self.band(tilted)
            # what is turned and tilted or zoomed at once is found by the far search
            for turn in turns(self.flat) if k == 0 else turns(self.flat, most=0):
                views.append(searched(turn(texture)))
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


def _nearest(peaks: Peaks, matrices: list[Matrix]) -> tuple[Placed, Tensor]:
    """The best view of each training case, and its number."""
    views = peaks.values.abs().argmax(dim=0)
    rows = torch.arange(len(views), device=views.device)
    listed = torch.from_numpy(np.stack(matrices)).to(peaks.values)
    return Placed(peaks.values[views, rows], peaks.shifts[views, rows], listed[views]), views


def _best(
    placed: Placed, weights: Tensor, which: Tensor, allowed: Tensor, count: int
) -> Candidates:
    """The best training cases.

    Args:
        placed: Where each is best.
        weights: Where the query may be looked at, (W, 1, X, Y, Z).
        which: Which of these, for each training case, (N,).
        allowed: Which count, (N,).
        count: How many are wanted.
    """
    strength = placed.values.abs().masked_fill(~allowed, -1.0)
    rows = strength.topk(min(count, int(allowed.sum()))).indices
    linear = torch.linalg.inv(placed.matrices[rows].double()).float()
    shift = placed.shifts[rows].to(linear) * -SEARCH_STEP
    if weights.shape[4] == 1:
        shift[:, 2] = 0  # one layer is not halved
    start = torch.cat([linear, shift[:, :, None]], dim=2)
    return Candidates(rows, placed.values[rows], start, weights[which[rows]])
