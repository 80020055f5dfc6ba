"""Training cases that were turned, mirrored, enlarged and shifted at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from verisim.audit.poses import far_zooms, resampled
from verisim.audit.registration import laid_on
from verisim.audit.shifts import ShiftSearch, searched
from verisim.audit.spectra import Spectra
from verisim.audit.texture import Band

VOXELS_AT_ONCE = 1 << 22
"""Of the views that are held at once: 50 MB of their places."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Each training case, where it agrees best with a query.

    Args:
        values: Correlation, (N,), -1 to 1.
        shifts: Voxels of the search from the training case to a view of the query, (N, 3).
        matrices: From that view to the query, (N, 3, 3).
    """

    values: Tensor
    shifts: Tensor
    matrices: Tensor

    def or_better(self, other: Placed) -> Placed:
        """For each training case the better of two places."""
        better = other.values.abs() > self.values.abs()
        return Placed(
            torch.where(better, other.values, self.values),
            torch.where(better[:, None], other.shifts, self.shifts),
            torch.where(better[:, None, None], other.matrices, self.matrices),
        )


@dataclass(frozen=True, eq=False)
class FarSearch:
    """Textures of training cases, searched in thousands of poses.

    Power spectra say in which poses each may be; only these are looked at, at every shift.

    Args:
        spectra: Find the poses.
        shifts: Finds the best shift of each.
        band: The texture that is compared.
    """

    spectra: Spectra
    shifts: ShiftSearch
    band: Band

    def __call__(self, image: Tensor) -> Placed:
        """Where each training case agrees best with a query.

        Args:
            image: (1, C, X, Y, Z) on the working grid.
        """
        zooms = torch.from_numpy(np.stack(far_zooms(self.spectra.flat))).to(image)
        maps = functional.pad(zooms, (0, 1))
        textures = torch.cat([searched(self.band(resampled(image, one[None]))) for one in maps])
        poses = self.spectra(textures)
        tried = [
            self._placed(textures, sizes, zooms[sizes], matrices)
            for sizes, matrices in zip(poses.sizes, poses.matrices, strict=True)
        ]
        return reduce(Placed.or_better, tried)

    def _placed(self, textures: Tensor, sizes: Tensor, zooms: Tensor, matrices: Tensor) -> Placed:
        """Each training case beside a view of its own, and that mirrored through its middle."""
        size = max(1, VOXELS_AT_ONCE // textures[0].numel())
        mirror = torch.diag(torch.tensor([-1.0, -1.0, 1.0 if self.spectra.flat else -1.0]))
        sides = [axis for axis in (2, 3, 4) if textures.shape[axis] > 1]
        plain, mirrored = [], []
        for first in range(0, len(sizes), size):
            some = slice(first, first + size)
            views = laid_on(textures[sizes[some]], functional.pad(matrices[some], (0, 1)))
            plain.append(self.shifts.paired(views, first))
            mirrored.append(self.shifts.paired(views.flip(sides), first))
        to_query = zooms @ matrices
        return _joined(plain, to_query).or_better(
            _joined(mirrored, to_query @ mirror.to(to_query))
        )


def _joined(blocks: Sequence[tuple[Tensor, Tensor]], matrices: Tensor) -> Placed:
    values, shifts = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return Placed(values, shifts, matrices)
