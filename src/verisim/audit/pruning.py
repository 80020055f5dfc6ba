"""Block averages: a cheap upper bound on every correlation, so that few need to be computed.

Block averaging, each block sum divided by the square root of its size, is an orthonormal
projection P, for which ⟨a, b⟩ ≤ ⟨Pa, Pb⟩ + ‖a - Pa‖·‖b - Pb‖ (Cauchy and Schwarz on what P leaves
over). A pair whose bound is below what is known already cannot be the nearest: nothing is lost.

There are two levels, large blocks first: they set most pairs aside, and only the rest is compared
by small ones. All that a bound needs stands in one row of bf16 numbers, so that one product of two
rows is the bound: the averages, then the numbers of which `_with_training` and `_with_query` tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from verisim.audit.half_rows import ACCUMULATED, OUTPUT, lost_of, product
from verisim.audit.shelf import Shelf

SIDES = (16, 4)
"""Voxels of a block along each axis: 1/256 and 1/16 of the numbers of a slice."""

FEWEST = 16
"""Averages; a coarser level than that says nothing."""

UNSQUARED = 1e-5
"""What the difference of two squared norms may be off by, of the larger."""

UPWARDS = 1 + 2.0**-7
"""Times this, then rounded to bf16, a number is no smaller than it was."""

MULTIPLE = 16
"""Rows are a multiple of so many numbers long, as products like them."""

BLOCK_BYTES = 1 << 26
"""Of rows that are compared at once."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """Training rows after block averaging.

    Args:
        sides: Of the blocks, largest first.
        shape: Of an image, (C, X, Y, Z).
        shelves: Their rows.
    """

    sides: tuple[int, ...]
    shape: tuple[int, ...]
    shelves: tuple[Shelf, ...]

    @classmethod
    def room(cls, count: int, shape: tuple[int, ...], device: str) -> Bounds:
        """For so many images of a shape, to be filled."""
        sizes = {side: _averages(shape, side) for side in SIDES}
        sides = tuple(s for s in SIDES if sizes[s] >= FEWEST or s == SIDES[-1])
        widths = [-(-(sizes[side] + _EXTRA) // MULTIPLE) * MULTIPLE for side in sides]
        return cls(sides, shape, tuple(Shelf.room(count, width, device) for width in widths))

    def fill(self, start: int, rows: Tensor, terms: Tensor) -> None:
        """Take in training rows (n, D) around the origin, from a number on.

        Args:
            start: The number.
            rows: They themselves.
            terms: Product of each with the origin, (n,).
        """
        for shelf, level in zip(self.shelves, self._levels(rows), strict=True):
            shelf.put(start, _with_training(*level, terms, shelf.width))

    def asked(self, queries: Tensor, terms: Tensor) -> tuple[Tensor, ...]:
        """Rows of queries (Q, D), one tensor for each level; see `fill`."""
        return tuple(
            _with_query(*level, terms, shelf.width)
            for shelf, level in zip(self.shelves, self._levels(queries), strict=True)
        )

    def between(self, asked: tuple[Tensor, ...], start: int, stop: int, known: Tensor) -> Tensor:
        """No correlation of a query with training rows is above `least_bound` of these, (Q, n).

        Args:
            asked: Of the queries.
            start: First training row.
            stop: After the last.
            known: What each query reaches for certain, (Q,): bounds below it are left coarse.
        """
        made = torch.empty(
            (len(known), stop - start),
            dtype=torch.float32 if known.is_cuda else torch.bfloat16,
            device=known.device,
        )
        enough = least_bound(known)[:, None]
        size = max(64, BLOCK_BYTES // (2 * self.shelves[-1].width))
        for first in range(start, stop, size):
            last = min(first + size, stop)
            own = product(asked[0], self.shelves[0].get(first, last))
            for rows, shelf in zip(asked[1:], self.shelves[1:], strict=True):
                alive = torch.nonzero((own >= enough).any(0))[:, 0]
                if 2 * len(alive) > last - first:
                    own = product(rows, shelf.get(first, last))
                elif len(alive):
                    own[:, alive] = product(rows, shelf.get(first, last)[alive])
            made[:, first - start : last - start] = own
        return made

    def _levels(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Pa (n, d) and ‖a - Pa‖ (n,), largest blocks first."""
        whole = torch.linalg.vector_norm(rows, dim=1).square()
        images, made, before = rows.reshape(len(rows), *self.shape), [], 1
        for side in reversed(self.sides):  # blocks of blocks
            images = _averaged(images, side // before)
            before = side
            flat = images.flatten(1)
            rest = whole - torch.linalg.vector_norm(flat, dim=1).square()
            made.append((flat, (rest.clamp_min(0) + UNSQUARED * whole).sqrt()))
        return made[::-1]


def least_bound(known: Tensor) -> Tensor:
    """A pair below it is below what is known, (Q,): bounds are rounded."""
    lowered = known - ACCUMULATED
    lowered = lowered - OUTPUT * lowered.abs()
    return lowered if known.is_cuda else lowered.bfloat16()


_EXTRA = 8


def _with_training(averages: Tensor, rests: Tensor, terms: Tensor, width: int) -> Tensor:
    """A training row: what the query's numbers, in the same places, are multiplied with."""
    norms, lost = torch.linalg.vector_norm(averages, dim=1), lost_of(averages)
    high = terms.bfloat16()
    one = torch.ones_like(terms)
    extra = [
        rests * UPWARDS,
        (norms + lost) * UPWARDS,  # with what rounding took from the query
        lost * UPWARDS,  # with the query's norm
        high.float(),
        terms - high.float(),
        one,
        one,
    ]
    return _joined(averages, extra, width)


def _with_query(averages: Tensor, rests: Tensor, terms: Tensor, width: int) -> Tensor:
    norms, lost = torch.linalg.vector_norm(averages, dim=1), lost_of(averages)
    high = terms.bfloat16()
    one = torch.ones_like(terms)
    extra = [
        rests * UPWARDS,
        lost * UPWARDS,
        norms * UPWARDS,
        one,
        one,
        high.float(),
        terms - high.float(),
    ]
    return _joined(averages, extra, width)


def _joined(averages: Tensor, extra: list[Tensor], width: int) -> Tensor:
    count, numbers = averages.shape
    made = torch.zeros((count, width), dtype=torch.bfloat16, device=averages.device)
    made[:, :numbers] = averages
    made[:, numbers : numbers + len(extra)] = torch.stack(extra, 1)
    return made


def _averages(shape: tuple[int, ...], side: int) -> int:
    count = shape[0]
    for length in shape[1:]:
        count *= -(-length // min(side, length))
    return count


def _averaged(images: Tensor, side: int) -> Tensor:
    """Sums of blocks of images (n, C, X, Y, Z), over the root of their size."""
    size = 1
    for axis in (2, 3, 4):
        length = images.shape[axis]
        own = min(side, length)
        if length % own:
            # zeros beyond the border change no product
            images = functional.pad(images, (0, 0) * (4 - axis) + (0, -length % own))
        if own == 1:
            continue
        shape = images.shape
        images = images.reshape(*shape[:axis], -1, own, *shape[axis + 1 :]).sum(axis + 1)
        size *= own
    averages: Tensor = images / size**0.5
    return averages
