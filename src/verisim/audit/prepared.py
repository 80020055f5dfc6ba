"""Training images, prepared to be compared with queries, and queries to be compared with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.half_rows import Half, HalfRows
from verisim.audit.pruning import Bounds
from verisim.audit.rows import Precision, Rows, few
from verisim.progress import SILENT, Progress

ORIGIN = 512
"""So many of the training images tell where the middle of all is; exactness does not need it."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Queries.

    Args:
        rows: Around the origin, (Q, D).
        terms: What must be added to a product for the origin, beside the training row's, (Q,).
        half: They in bf16, or None to take products in fp32.
        bounds: Their block averages, a tensor for each level.
    """

    rows: Tensor
    terms: Tensor
    half: Half | None
    bounds: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Training images.

    Args:
        rows: Around their mean.
        origin: That mean, (D,).
        terms: Product of each row with it, (N,).
        bounds: Block averages of them, or None to compute every product.
        half: The rows in bf16, or None to take products in fp32. Sums are taken again in fp32
            wherever it matters.
    """

    rows: Rows
    origin: Tensor
    terms: Tensor
    bounds: Bounds | None
    half: HalfRows | None

    @classmethod
    def of(
        cls,
        images: npt.NDArray[np.generic],
        device: str = "cpu",
        precision: Precision = "bf16",
        *,
        pruned: bool = True,
        progress: Progress = SILENT,
    ) -> Prepared:
        """Read training images (N, C, X, Y, Z) once."""
        plain = Rows(images, device)
        origin = _mean(plain)
        rows = Rows(images, device, origin)
        terms = torch.empty(len(rows), device=device)
        bounds = Bounds.room(len(rows), rows.shape, device) if pruned else None
        half = HalfRows.room(rows) if precision == "bf16" else None
        for start, piece in rows.pieces(slice(0, len(rows))):
            progress.advance(start, len(rows), "block averages")
            own = terms[start : start + len(piece)] = _products(piece, origin)
            if bounds is not None:
                bounds.fill(start, piece, own)
            if half is not None:
                half.fill(start, piece)
        return cls(rows, origin, terms, bounds, half)

    def asked(self, queries: Rows) -> Asked:
        """Queries around the origin."""
        count, numbers, device = len(queries), queries.numbers, self.rows.device
        rows = torch.empty((count, numbers), device=device)
        half = None if self.half is None else Half.room(count, numbers, device)
        terms, bounds = torch.empty(count, device=device), []
        for start, piece in queries.pieces(slice(0, count)):
            own = slice(start, start + len(piece))
            rows[own] = piece
            terms[own] = _products(piece, self.origin) + self.origin.square().sum()
            if half is not None:
                half.fill(start, piece)
            if self.bounds is not None:
                bounds.append(self.bounds.asked(piece, terms[own]))
        return Asked(rows, terms, half, tuple(map(torch.cat, zip(*bounds, strict=True))))


def _products(rows: Tensor, origin: Tensor) -> Tensor:
    """Of each row with the origin, (n,): rounded alike however many rows there are."""
    return torch.cat([(part * origin).sum(1) for part in few(rows)])


def _mean(rows: Rows) -> Tensor:
    """Of some rows from all over the set, (D,)."""
    step = max(1, len(rows) // ORIGIN)
    total = torch.zeros(rows.numbers, device=rows.device)
    chosen = np.arange(0, len(rows), step)
    for _, piece in rows.pieces(chosen):
        total += piece.sum(0)
    return total / len(chosen)
