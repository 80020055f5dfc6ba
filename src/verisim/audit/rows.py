"""Images as rows of mean 0 and norm 1, so that a product of two is their correlation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.mapped import AHEAD, Mapped

Precision = Literal["bf16", "fp32"]
"""Of products."""

Chosen = slice | npt.NDArray[np.intp]
"""Some of the rows."""

PIECE_BYTES = 1 << 21
"""Of rows that are standardized at once: so few that they stay in the processor's cache."""

FEW_NUMBERS = 1 << 16
"""Of rows of which something is made in new memory: the C library keeps so little for itself."""

PIECE_BYTES_ELSEWHERE = 1 << 26
"""On another device, where each step costs the same whatever its size."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Standardized images, made a piece at a time from where they are mapped.

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
        return self.chosen(slice(start, stop))

    def chosen(self, rows: Chosen) -> Tensor:
        """Some rows, (n, D) fp32."""
        return self.filled(torch.empty(count(rows), self.numbers, device=self.device), rows)

    def filled(self, made: Tensor, rows: Chosen) -> Tensor:
        """Some rows, put into memory (n, D) of whatever precision it has."""
        for start, piece in self.pieces(rows):
            made[start : start + len(piece)] = piece
        return made

    def pieces(self, rows: Chosen) -> Iterator[tuple[int, Tensor]]:
        """Some rows, a few at a time, each with how many came before it.

        A piece (n, D) is overwritten by the next.
        """
        size = self._piece_size
        # memory that is there already: new memory costs more than the work
        raw = torch.empty(min(size, count(rows)), self.numbers)
        mapped, start, done = Mapped.of(self.images), 0, 0
        mapped.ahead(rows.start if isinstance(rows, slice) else 0)
        for own in parts(rows, size):
            part = raw[: count(own)]
            np.copyto(part.numpy(), self._read(own), casting="same_kind")
            yield start, self._standardized(part.to(self.device))
            start += len(part)
            done += 4 * part.numel()
            if 2 * done > AHEAD:
                mapped.let_go()
                mapped.ahead(own.stop if isinstance(own, slice) else 0)
                done = 0
        mapped.let_go()

    @property
    def _piece_size(self) -> int:
        bytes_at_once = PIECE_BYTES if self.device == "cpu" else PIECE_BYTES_ELSEWHERE
        return max(1, bytes_at_once // (4 * self.numbers))

    def _read(self, rows: Chosen) -> npt.NDArray[np.generic]:
        return self.images[rows].reshape(count(rows), -1)

    def _standardized(self, rows: Tensor) -> Tensor:
        """In place."""
        rows -= rows.mean(dim=1, keepdim=True)
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        # an image of one value correlates with nothing
        norms.clamp_min_(torch.finfo(torch.float32).tiny)
        if self.origin is None:
            return rows.div_(norms)
        return torch.addcdiv(self.origin.neg(), rows, norms, out=rows)


def count(rows: Chosen) -> int:
    """How many they are."""
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def parts(rows: Chosen, size: int) -> Iterator[Chosen]:
    """So many of them at a time; neighbours as a slice, which is read without a detour."""
    for start in range(0, count(rows), size):
        if isinstance(rows, slice):
            yield slice(rows.start + start, min(rows.start + start + size, rows.stop))
            continue
        part = rows[start : start + size]
        together = part[-1] - part[0] + 1 == len(part) and bool((np.diff(part) == 1).all())
        yield slice(int(part[0]), int(part[-1]) + 1) if together else part


def few(rows: Tensor) -> tuple[Tensor, ...]:
    """Rows (N, D), so few at a time that what is made of them takes no new memory each time."""
    size = FEW_NUMBERS if rows.device.type == "cpu" else rows.numel()
    return torch.split(rows, max(1, size // max(1, rows.shape[1])))
