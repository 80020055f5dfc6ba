"""Rows rounded to bf16, with how far each is from what it was.

They are kept where they are few; else they are made again, block by block, whenever they are
needed: that takes less time than to read them from a disk.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from verisim.audit.rows import Chosen, Rows, few

IN_MEMORY = 1 << 28
"""Bytes that are kept on the processor; elsewhere `SHARE` of what is free."""

SHARE = 0.25

ACCUMULATED = 5e-5
"""What a sum of products in fp32 may be off by."""

OUTPUT = 2.0**-8
"""Largest relative rounding of a number in bf16."""


STRIP = 4096
"""Numbers of a row that lie together: strips of many rows are multiplied faster than long rows."""

MULTIPLE = 32
"""Strips are a multiple of so many numbers wide, with zeros at the end of the last."""


@dataclass(frozen=True, eq=False)
class Half:
    """Rows in bf16.

    Args:
        strips: (S, N, W): rows cut into strips, each strip of all rows together.
        norms: Of the rows as they were, (N,).
        lost: Norm of what rounding took, (N,).
    """

    strips: Tensor
    norms: Tensor
    lost: Tensor

    @classmethod
    def room(cls, count: int, numbers: int, device: str) -> Half:
        """For so many rows, to be filled."""
        empty = torch.empty(count, device=device)
        return cls(strips_for(count, numbers, device), empty, empty.clone())

    def fill(self, start: int, rows: Tensor) -> None:
        """Take in rows (n, D), from a number on."""
        own = slice(start, start + len(rows))
        self.norms[own] = torch.linalg.vector_norm(rows, dim=1)
        self.lost[own] = lost_of(rows)
        put_into(self.strips, start, rows)


def strips_for(count: int, numbers: int, device: str | torch.device) -> Tensor:
    """Room for rows (N, D) in strips."""
    # elsewhere a product of long rows is fast, and its sums stay in fp32
    strips = -(-numbers // STRIP) if torch.device(device).type == "cpu" else 1
    width = -(-numbers // (strips * MULTIPLE)) * MULTIPLE
    return torch.zeros((strips, count, width), dtype=torch.bfloat16, device=device)


def put_into(strips: Tensor, start: int, rows: Tensor) -> None:
    """Put rows (n, D) into strips, from a number on."""
    width = strips.shape[2]
    for strip, part in zip(strips, torch.split(rows, width, 1), strict=True):
        strip[start : start + len(rows), : part.shape[1]] = part


def lost_of(rows: Tensor) -> Tensor:
    """Norm of what rounding to bf16 takes, (N,)."""
    lost = [torch.linalg.vector_norm(part - part.bfloat16(), dim=1) for part in few(rows)]
    return torch.cat(lost)


@dataclass(frozen=True, eq=False)
class HalfRows:
    """Training rows in bf16.

    Args:
        rows: They themselves.
        norms: (N,).
        lost: Norm of what rounding took, (N,).
        kept: Their strips, where there is room.
    """

    rows: Rows
    norms: Tensor
    lost: Tensor
    kept: Tensor | None

    @classmethod
    def room(cls, rows: Rows) -> HalfRows:
        """For all rows, to be filled."""
        fits = 2 * len(rows) * rows.numbers <= kept_bytes(rows.device)
        kept = strips_for(len(rows), rows.numbers, rows.device) if fits else None
        empty = torch.empty(len(rows), device=rows.device)
        return cls(rows, empty, empty.clone(), kept)

    def fill(self, start: int, rows: Tensor) -> None:
        """Take in rows, from a number on."""
        own = slice(start, start + len(rows))
        self.norms[own] = torch.linalg.vector_norm(rows, dim=1)
        self.lost[own] = lost_of(rows)
        if self.kept is not None:
            put_into(self.kept, start, rows)

    def chosen(self, rows: Chosen, space: Tensor) -> Half:
        """Some rows.

        Args:
            rows: Which.
            space: Strips for so many or more, that may be used.
        """
        norms, lost = self.norms[rows], self.lost[rows]
        if self.kept is not None:
            return Half(self.kept[:, rows], norms, lost)
        for start, piece in self.rows.pieces(rows):
            put_into(space, start, piece)
        return Half(space[:, : len(norms)], norms, lost)


def kept_bytes(device: str) -> int:
    """What may be kept of all rows."""
    return IN_MEMORY if device == "cpu" else int(SHARE * torch.cuda.mem_get_info(device)[0])


def product(rows: Tensor, others: Tensor) -> Tensor:
    """Products of rows (N, D) and others (M, D) in bf16, (N, M); in fp32 where that is free."""
    if rows.is_cuda:  # the processor's product knows no `out_dtype`; before torch 2.8 none did
        return torch.mm(rows, others.T, out_dtype=torch.float32)
    return rows @ others.T


def put_products(made: Tensor, queries: Half, others: Half) -> None:
    """Put the products of queries and others into (Q, n) fp32, one strip after the other."""
    for strip, (ours, theirs) in enumerate(zip(queries.strips, others.strips, strict=True)):
        own = product(ours, theirs)
        if strip:
            made += own
        else:
            made.copy_(own)


def doubt(queries: Half, others: Half) -> Tensor:
    """What products of each query with some rows may be off by at most, (Q,).

    ⟨a, b⟩ - ⟨ā, b̄⟩ = ⟨a - ā, b̄⟩ + ⟨a, b - b̄⟩, each by Cauchy and Schwarz; and the product of each
    strip is rounded, all of them together no more than the norms say.
    """
    lost = others.lost.max()
    norm = (others.norms + others.lost).max()
    inputs = queries.lost * norm + queries.norms * lost
    return inputs + OUTPUT * (queries.norms + queries.lost) * norm + ACCUMULATED
