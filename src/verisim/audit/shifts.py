"""Every shift of every training case at once, by Fourier transforms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from verisim.audit.texture import pooled

SEARCH_STEP = 2
"""Voxels of the working grid in one of the search: an eighth of the work in volumes."""

AT_ONCE = 1 << 25
"""Numbers of one block of products: 256 MB of complex ones."""

HALVED = (4, 2, 3)
"""Axes of a transform; the last, Y, is the halved one, since slices have one voxel along Z."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """The best shift of each training case, for one view of a query after the other.

    Args:
        values: Correlation, (V, N), -1 to 1.
        shifts: Voxels from the training case to the view, (V, N, 3).
    """

    values: Tensor
    shifts: Tensor


@dataclass(frozen=True, eq=False)
class ShiftSearch:
    """Textures of training cases, ready to be correlated at every shift.

    What a shift moves over one border comes in over the other: this costs a copy nothing and
    saves the padding.

    Args:
        spectra: Complex conjugate, (N, C, X, Y // 2 + 1, Z), of textures of norm 1.
        shape: Of the textures, (X, Y, Z).
    """

    spectra: Tensor
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, textures: Tensor) -> ShiftSearch:
        """Of textures (N, C, X, Y, Z)."""
        x, y, z = textures.shape[2:]
        spectra = torch.fft.rfftn(unit(textures), dim=HALVED).conj().resolve_conj()
        return cls(spectra, (x, y, z))

    def __call__(self, views: Tensor) -> Peaks:
        """The best shift of each training case.

        Args:
            views: Textures of a query in several poses, (V, C, X, Y, Z).
        """
        spectra = torch.fft.rfftn(unit(views), dim=HALVED)
        found = [self._peaks(view) for view in spectra]
        values, index = (torch.stack(parts) for parts in zip(*found, strict=True))
        return Peaks(values, self._unravelled(index))

    def paired(self, views: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """The best shift of each of some training cases to a view of its own.

        Args:
            views: One for each, (n, C, X, Y, Z).
            first: Row of the first training case.

        Returns:
            Correlations (n,) and shifts (n, 3), see `Peaks`.
        """
        own = self.spectra[first : first + len(views)]
        products = (own * torch.fft.rfftn(unit(views), dim=HALVED)).sum(1)
        values, index = self._highest(products)
        return values, self._unravelled(index)

    def _peaks(self, view: Tensor) -> tuple[Tensor, Tensor]:
        block = max(1, AT_ONCE // view.numel())
        values, indices = [], []
        for rows in torch.split(self.spectra, block):
            products = (rows * view).sum(1) if view.shape[0] > 1 else (rows * view)[:, 0]
            value, index = self._highest(products)
            values.append(value)
            indices.append(index)
        return torch.cat(values), torch.cat(indices)

    def _highest(self, products: Tensor) -> tuple[Tensor, Tensor]:
        flat = torch.fft.irfftn(products, s=self._sides, dim=(3, 1, 2)).flatten(1)
        index = flat.abs().argmax(1)
        return flat.gather(1, index[:, None])[:, 0], index

    @property
    def _sides(self) -> tuple[int, int, int]:
        x, y, z = self.shape
        return z, x, y

    def _unravelled(self, index: Tensor) -> Tensor:
        """Flat index to shifts, beyond half the box as negative ones."""
        _, y, z = self.shape
        parts = (index // (y * z), index // z % y, index % z)
        signed = [
            torch.where(part > n // 2, part - n, part)
            for part, n in zip(parts, self.shape, strict=True)
        ]
        return torch.stack(signed, dim=-1)


def unit(textures: Tensor) -> Tensor:
    """Textures (B, C, X, Y, Z) of norm 1."""
    norm = textures.flatten(1).norm(dim=1).clamp_min(torch.finfo(textures.dtype).tiny)
    units: Tensor = textures / norm[:, None, None, None, None]
    return units


def searched(textures: Tensor) -> Tensor:
    """Textures (B, C, X, Y, Z) on the grid of the search, channels together."""
    return pooled(textures.mean(1, keepdim=True), SEARCH_STEP)
