"""Images as rows of mean 0 and norm 1, so that a product of two is their correlation."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Precision = Literal["bf16", "fp32"]
"""Of products."""

PIECE = 8
"""Rows that are standardized at once."""

BLOCK_BYTES = 1 << 27
"""Of a block of rows in fp32."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Standardized images, made a block at a time from where they are mapped.

    Args:
        images: (N, C, X, Y, Z), of any number type.
        device: Where the rows are wanted.
        origin: What is taken off every row, (D,); makes differences between rows larger than
            rounding.
    """

    images: npt.NDArray[np.generic]
    device: str = "cpu"
    origin: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image, (C, X, Y, Z)."""
        return self.images.shape[1:]

    @property
    def numbers(self) -> int:
        """In a row."""
        return int(np.prod(self.shape))

    def block(self, start: int, stop: int) -> Tensor:
        """Rows from `start` to before `stop`, (n, D)."""
        return self.chosen(np.arange(start, stop))

    def chosen(self, rows: npt.NDArray[np.intp]) -> Tensor:
        """Some rows, (n, D)."""
        made = torch.empty(len(rows), self.numbers)
        for part, own in zip(torch.split(made, PIECE), _pieces(rows), strict=True):
            # into memory that is there already: new memory costs more than the work
            np.copyto(part.numpy(), self.images[own].reshape(len(part), -1), casting="same_kind")
            self._standardize(part)
        _let_go(self.images)
        if self.origin is not None:
            return made.to(self.device).sub_(self.origin) if self._elsewhere else made
        return made.to(self.device)

    @property
    def _elsewhere(self) -> bool:
        return self.device != "cpu"

    def blocks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """All rows, so many at a time, each with the number of the first."""
        for start in range(0, len(self), size):
            yield start, self.block(start, min(start + size, len(self)))

    def _standardize(self, rows: Tensor) -> None:
        """In place, and so few at a time that they stay in the processor's cache."""
        rows -= rows.mean(dim=1, keepdim=True)
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        # an image of one value correlates with nothing
        rows /= norms.clamp_min(torch.finfo(torch.float32).tiny)
        if self.origin is not None and not self._elsewhere:
            rows -= self.origin


def _pieces(rows: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp] | slice]:
    """So few rows at a time; neighbours as a slice, which is read without a detour."""
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        together = piece[-1] - piece[0] + 1 == len(piece) and bool((np.diff(piece) == 1).all())
        yield slice(int(piece[0]), int(piece[-1]) + 1) if together else piece


def block_size(numbers: int) -> int:
    """Rows of so many numbers that are held at once."""
    return max(8, BLOCK_BYTES // (4 * numbers))


def _let_go(images: npt.NDArray[np.generic]) -> None:
    """Mapped pages that were read count as memory until they are given back."""
    base: object = images
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
