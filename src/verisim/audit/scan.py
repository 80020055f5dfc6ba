"""Products of all queries with many training rows, of which the few in doubt are kept."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from verisim.audit.ahead import one_ahead
from verisim.audit.apart import Apart
from verisim.audit.best import NOTHING, Numbers, Scores
from verisim.audit.exact_pairs import ExactPairs
from verisim.audit.half_rows import ACCUMULATED, Half, doubt, put_products, strips_for
from verisim.audit.prepared import Asked, Prepared
from verisim.audit.rows import Chosen, count, parts
from verisim.progress import Progress

BLOCK_BYTES = 1 << 27
"""Of training rows that are compared at once."""

PAIRS = 1 << 22
"""That are compared at once."""

MANY = 0.01
"""If so many of a block are in doubt in bf16, its products are taken again in fp32."""

KEPT = 1 << 20
"""Pairs in doubt that may wait; then they are computed."""

Doubtful = tuple[Numbers, Numbers, Scores]
"""Queries, rows, and what their correlation is not above."""


@dataclass(eq=False)
class Scan:
    """Every product of queries with training rows, a block of rows at a time.

    Args:
        training: Rows.
        asked: Queries.
        exact: Computes what stays in doubt.
        apart: Pairs that do not count.
        progress: Hears of every block.
    """

    training: Prepared
    asked: Asked
    exact: ExactPairs
    apart: Apart | None
    progress: Progress
    computed: int = 0
    _waiting: list[Doubtful] = field(init=False, default_factory=list)
    _low: Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.asked.rows), self.exact.count)
        # the largest that correlations are certain not to be below
        self._low = torch.full(shape, NOTHING, device=self._device)

    def over(self, rows: Chosen) -> None:
        """Compare with some training rows, none of them twice."""
        spaces = itertools.cycle(self._spaces)  # one is filled while the other is compared
        for block, half in one_ahead(
            lambda own: (own, self._half(own, next(spaces))), parts(rows, self._size)
        ):
            first = block.start if isinstance(block, slice) else int(block[0])
            self.progress.advance(first, len(self.training.rows), "correlation")
            self._block(block, half)
            if sum(len(queries) for queries, _, _ in self._waiting) > KEPT:
                self.settle()

    def settle(self) -> None:
        """Compute what is in doubt."""
        if self._waiting:
            queries, rows, upper = zip(*self._waiting, strict=True)
            self._waiting.clear()
            self.exact.settle(*map(np.concatenate, (queries, rows, upper)))

    @property
    def _size(self) -> int:
        by_bytes = BLOCK_BYTES // (2 * self.training.rows.numbers)
        most = min(by_bytes, PAIRS // len(self.asked.rows), len(self.training.rows))
        return max(8, most)

    def _block(self, rows: Chosen, half: Half | None) -> None:
        scores, off = self._products(rows, half)
        low, chosen = self._in_doubt(scores, off)
        if half is not None and int(chosen.sum()) > MANY * chosen.numel():
            scores, off = self._products(rows, None)
            low, chosen = self._in_doubt(scores, off)
        self._low = low
        self.computed += scores.numel()
        which, place = torch.nonzero(chosen, as_tuple=True)
        upper = scores[which, place] + (self.asked.terms + off)[which]
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        queries = which.cpu().numpy()
        self._waiting.append((queries, numbers[place.cpu().numpy()], upper.cpu().numpy()))

    def _in_doubt(self, scores: Tensor, off: Tensor) -> tuple[Tensor, Tensor]:
        """What is reached for certain (Q, k), and the pairs that may be above it (Q, n)."""
        best = min(self.exact.count, scores.shape[1])
        top = scores.amax(1, keepdim=True) if best == 1 else scores.topk(best, 1).values
        low = torch.cat([self._low, top + (self.asked.terms - off)[:, None]], 1)
        low = low.topk(self.exact.count, 1).values
        known = torch.maximum(self.exact.known, low[:, -1])
        return low, scores >= (known - self.asked.terms - off)[:, None]

    def _products(self, rows: Chosen, half: Half | None) -> tuple[Tensor, Tensor]:
        """Without the queries' own terms (Q, n), and what they may be off by (Q,)."""
        scores = self._scores[: len(self.asked.rows) * count(rows)].view(-1, count(rows))
        if half is None or self.asked.half is None:
            self._multiply(rows, scores)
            off = torch.full_like(self.asked.terms, ACCUMULATED)
        else:
            put_products(scores, self.asked.half, half)
            off = doubt(self.asked.half, half)
        scores += self.training.terms[rows]
        if self.apart is not None:
            scores.masked_fill_(self.apart.forbidden(rows, self._device), -torch.inf)
        return scores, off

    def _multiply(self, rows: Chosen, scores: Tensor) -> None:
        """Products in fp32, put into (Q, n)."""
        done, size = 0, max(4, self._size // 2)
        held = torch.empty(min(size, count(rows)), self.training.rows.numbers, device=self._device)
        for part in parts(rows, size):
            own = self.training.rows.filled(held[: count(part)], part)
            scores[:, done : done + len(own)] = self.asked.rows @ own.T
            done += len(own)

    def _half(self, rows: Chosen, space: Tensor) -> Half | None:
        half = self.training.half
        return None if half is None else half.chosen(rows, space)

    @property
    def _device(self) -> torch.device:
        return self.asked.rows.device

    @functools.cached_property
    def _scores(self) -> Tensor:
        """Memory that each block uses again: new memory costs more than the work."""
        return torch.empty(len(self.asked.rows) * self._size, device=self._device)

    @functools.cached_property
    def _spaces(self) -> tuple[Tensor, Tensor]:
        half = self.training.half
        size = 0 if half is None or half.kept is not None else self._size
        numbers = self.training.rows.numbers
        return strips_for(size, numbers, self._device), strips_for(size, numbers, self._device)
