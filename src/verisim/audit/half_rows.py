"""Rows rounded to bf16, with how far each is from what it was.

They are kept where they are few; else they are made again, block by block, whenever they are
needed: that takes less time than to read them from a disk.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from verisim.audit.rows import Chosen, Rows
from verisim.memory import free_bytes

IN_MEMORY = 1 << 28
"""Bytes that are kept on the processor; elsewhere `SHARE` of what is free."""

SHARE = 0.25

ACCUMULATED = 5e-5
"""What a sum of products in fp32 may be off by."""

OUTPUT = 2.0**-8
"""Largest relative rounding of a number in bf16."""


@dataclass(frozen=True, eq=False)
class Half:
    """Rows in bf16.

    Args:
        bits: (N, D).
        norms: Of the rows as they were, (N,).
        lost: Norm of what rounding took, (N,).
    """

    bits: Tensor
    norms: Tensor
    lost: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> Half:
        """Of rows (N, D)."""
        bits = rows.bfloat16()
        # in parts, since a second fp32 copy of all rows would take much memory
        lost = [
            torch.linalg.vector_norm(own.float().sub_(row), dim=1)
            for own, row in zip(torch.split(bits, 8), torch.split(rows, 8), strict=True)
        ]
        return cls(bits, torch.linalg.vector_norm(rows, dim=1), torch.cat(lost))


@dataclass(frozen=True, eq=False)
class HalfRows:
    """Training rows in bf16.

    Args:
        rows: They themselves.
        norms: (N,).
        lost: Norm of what rounding took, (N,).
        kept: (N, D) where there is room.
    """

    rows: Rows
    norms: Tensor
    lost: Tensor
    kept: Tensor | None

    @classmethod
    def room(cls, rows: Rows) -> HalfRows:
        """For all rows, to be filled."""
        fits = 2 * len(rows) * rows.numbers <= kept_bytes(rows.device)
        shape = (len(rows), rows.numbers)
        kept = torch.empty(shape, dtype=torch.bfloat16, device=rows.device) if fits else None
        empty = torch.empty(len(rows), device=rows.device)
        return cls(rows, empty, empty.clone(), kept)

    def fill(self, start: int, rows: Tensor) -> None:
        """Take in rows, from a number on."""
        half, own = Half.of(rows), slice(start, start + len(rows))
        self.norms[own], self.lost[own] = half.norms, half.lost
        if self.kept is not None:
            self.kept[own] = half.bits

    def chosen(self, rows: Chosen, space: Tensor) -> Half:
        """Some rows.

        Args:
            rows: Which.
            space: Memory for so many or more, (n, D) bf16, that may be used.
        """
        norms, lost = self.norms[rows], self.lost[rows]
        if self.kept is not None:
            return Half(self.kept[rows], norms, lost)
        return Half(self.rows.filled(space[: len(norms)], rows), norms, lost)


def kept_bytes(device: str) -> int:
    """What may be kept of all rows."""
    return IN_MEMORY if device == "cpu" else int(SHARE * free_bytes(device))


def product(rows: Tensor, others: Tensor) -> Tensor:
    """Products of rows (N, D) and others (M, D) in bf16, (N, M); in fp32 where that is free."""
    if rows.device.type == "cuda" and rows.dtype == torch.bfloat16:
        return torch.mm(rows, others.T, out_dtype=torch.float32)
    return rows @ others.T


def doubt(queries: Half, others: Half) -> Tensor:
    """What products of each query with some rows may be off by at most, (Q,).

    ⟨a, b⟩ - ⟨ā, b̄⟩ = ⟨a - ā, b̄⟩ + ⟨a, b - b̄⟩, each by Cauchy and Schwarz, and the product itself
    is rounded.
    """
    lost = others.lost.max()
    norm = (others.norms + others.lost).max()
    inputs = queries.lost * norm + queries.norms * lost
    return inputs + OUTPUT * (queries.norms + queries.lost) * norm + ACCUMULATED
