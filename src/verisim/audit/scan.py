"""Products of all queries with many training rows, of which the few in doubt are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from verisim.audit.apart import Apart
from verisim.audit.best import NOTHING, Numbers, Scores
from verisim.audit.exact_pairs import ExactPairs
from verisim.audit.half_rows import ACCUMULATED, doubt, product
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
    _rooms: dict[torch.dtype, Tensor] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.asked.rows), self.exact.count)
        # the largest that correlations are certain not to be below
        self._low = torch.full(shape, NOTHING, device=self.asked.rows.device)

    def over(self, rows: Chosen) -> None:
        """Compare with some training rows, none of them twice."""
        for block in parts(rows, self._size):
            first = block.start if isinstance(block, slice) else int(block[0])
            self.progress.advance(first, len(self.training.rows), "correlation")
            self._block(block)
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
        return max(8, min(by_bytes, PAIRS // len(self.asked.rows)))

    def _block(self, rows: Chosen) -> None:
        scores, off = self._products(rows)
        low, chosen = self._in_doubt(scores, off)
        if self.asked.half is not None and int(chosen.sum()) > MANY * chosen.numel():
            scores, off = self._products_in_fp32(rows)
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

    def _products(self, rows: Chosen) -> tuple[Tensor, Tensor]:
        """Without the queries' own terms (Q, n), and what they may be off by (Q,)."""
        if self.training.half is None or self.asked.half is None:
            return self._products_in_fp32(rows)
        half = self.training.half.chosen(rows, self._room(torch.bfloat16, self._size))
        scores = product(self.asked.half.bits, half.bits).float()
        return self._counting(scores, rows), doubt(self.asked.half, half)

    def _products_in_fp32(self, rows: Chosen) -> tuple[Tensor, Tensor]:
        half_size = max(8, self._size // 2)
        room, made = self._room(torch.float32, half_size), []
        for part in parts(rows, half_size):
            held = self.training.rows.filled(room[: count(part)], part)
            made.append(self.asked.rows @ held.T)
        off = torch.full_like(self.asked.terms, ACCUMULATED)
        return self._counting(torch.cat(made, 1), rows), off

    def _counting(self, scores: Tensor, rows: Chosen) -> Tensor:
        scores += self.training.terms[rows]
        if self.apart is not None:
            self.apart.forbid(scores, rows)
        return scores

    def _room(self, kind: torch.dtype, rows: int) -> Tensor:
        """Memory that each block uses again."""
        if kind not in self._rooms:
            shape = (rows, self.training.rows.numbers)
            self._rooms[kind] = torch.empty(shape, dtype=kind, device=self.asked.rows.device)
        return self._rooms[kind]
