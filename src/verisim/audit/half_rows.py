"""Rows rounded to bf16, with how far each is from what it was; mapped from disk where large."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.rows import PIECE

IN_MEMORY = 1 << 28
"""Bytes; more rows than that lie in a temporary file."""

ACCUMULATED = 5e-5
"""What a sum of products in fp32 may be off by."""

OUTPUT = 2.0**-8
"""Largest relative rounding of a number in bf16."""


@dataclass(frozen=True, eq=False)
class HalfRows:
    """Rows in bf16.

    Args:
        bits: (N, D), each number as the integer of the same bits.
        norms: Of the rows as they were, (N,).
        lost: Norm of what rounding took, (N,).
    """

    bits: npt.NDArray[np.int16]
    norms: Tensor
    lost: Tensor

    @classmethod
    def room(cls, count: int, numbers: int, device: str | torch.device = "cpu") -> HalfRows:
        """For so many rows, to be filled."""
        if 2 * count * numbers <= IN_MEMORY:
            bits = np.empty((count, numbers), np.int16)
        else:
            with tempfile.TemporaryFile() as file:  # mapped on, and gone when nobody maps it
                bits = np.memmap(file, np.int16, "w+", shape=(count, numbers))
        empty = torch.empty(count, device=device)
        return cls(bits, empty, empty.clone())

    @classmethod
    def of(cls, rows: Tensor) -> HalfRows:
        """Of rows (N, D)."""
        made = cls.room(len(rows), rows.shape[1], rows.device)
        made.fill(0, rows)
        return made

    def fill(self, start: int, rows: Tensor) -> None:
        """Put rows in, from a number on."""
        half = torch.empty_like(rows[:PIECE], dtype=torch.bfloat16)
        rest = torch.empty_like(rows[:PIECE])
        for first in range(0, len(rows), PIECE):  # so few that they stay in the cache
            part = rows[first : first + PIECE]
            own = slice(start + first, start + first + len(part))
            rounded, lost = half[: len(part)].copy_(part), rest[: len(part)]
            self.bits[own] = rounded.view(torch.int16).cpu().numpy()
            self.norms[own] = torch.linalg.vector_norm(part, dim=1)
            self.lost[own] = torch.linalg.vector_norm(lost.copy_(rounded).sub_(part), dim=1)

    def taken(self, rows: slice | npt.NDArray[np.intp]) -> Tensor:
        """Some rows, (n, D) bf16."""
        return torch.from_numpy(self.bits[rows]).view(torch.bfloat16).to(self.norms.device)

    def products(
        self, rows: slice | npt.NDArray[np.intp], others: HalfRows, queries: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Products of queries with some rows, and what they may be off by, (Q, n) fp32.

        ⟨a, b⟩ - ⟨ā, b̄⟩ = ⟨a - ā, b̄⟩ + ⟨a, b - b̄⟩, each by Cauchy and Schwarz.

        Args:
            rows: Of these.
            others: Norms of the queries.
            queries: They themselves, (Q, D) bf16.
        """
        products = (queries @ self.taken(rows).T).float()
        norms, lost = self.norms[rows], self.lost[rows]
        doubt = torch.outer(others.lost, norms + lost).add_(torch.outer(others.norms, lost))
        return products, doubt.add_(products.abs(), alpha=OUTPUT).add_(ACCUMULATED)
