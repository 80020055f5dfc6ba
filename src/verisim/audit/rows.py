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
        return self._rows(np.array(self.images[start:stop], dtype=np.float32))

    def chosen(self, rows: npt.NDArray[np.intp]) -> Tensor:
        """Some rows, (n, D)."""
        return self._rows(np.array(self.images[rows], dtype=np.float32))

    def blocks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """All rows, so many at a time, each with the number of the first."""
        for start in range(0, len(self), size):
            yield start, self.block(start, min(start + size, len(self)))

    def _rows(self, images: npt.NDArray[np.float32]) -> Tensor:
        _let_go(self.images)
        rows = torch.from_numpy(images).flatten(1).to(self.device)
        rows -= rows.mean(dim=1, keepdim=True)
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        # an image of one value correlates with nothing
        rows /= norms.clamp_min(torch.finfo(torch.float32).tiny)
        if self.origin is not None:
            rows -= self.origin
        return rows


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
