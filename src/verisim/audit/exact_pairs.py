"""What must be computed exactly: pairs of a query and a training row, one by one in fp32."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.best import NOTHING, Best, Numbers, Scores, ranks
from verisim.audit.half_rows import ACCUMULATED
from verisim.audit.prepared import Asked, Prepared

ROWS_BYTES = 1 << 26
"""Of training rows that are held at once."""

PAIR_BYTES = 1 << 21
"""Of products that are summed at once: so few that they stay in the processor's cache."""

PAIR_BYTES_ELSEWHERE = 1 << 28
"""On another device, where each step costs the same whatever its size."""

LONG = 1 << 13
"""Rows of so many numbers are multiplied where they lie; shorter ones are gathered first."""


@dataclass(eq=False)
class ExactPairs:
    """The best of each query among the pairs that were computed.

    Args:
        training: Rows.
        asked: Queries.
        count: How many are wanted of each query.
        least: Correlations below it are of no interest.
    """

    training: Prepared
    asked: Asked
    count: int
    least: float
    computed: int = 0
    best: Best = field(init=False)

    def __post_init__(self) -> None:
        self.best = Best.none(len(self.asked.rows), self.count)
        self.device = self.asked.rows.device

    @property
    def known(self) -> Tensor:
        """What each query reaches for certain; a pair below it does not matter, (Q,)."""
        reached = self.best.scores[:, -1] - ACCUMULATED
        return torch.from_numpy(np.maximum(reached, np.float32(self.least))).to(self.device)

    def settle(self, queries: Numbers, rows: Numbers, upper: Scores) -> None:
        """Compute what may matter of some pairs, none of them twice.

        Args:
            queries: Of each pair, (n,).
            rows: Of the training images, (n,).
            upper: No correlation is above it, (n,).
        """
        new = ~self.best.has(queries, rows) & (upper > NOTHING)
        queries, rows, upper = queries[new], rows[new], upper[new]
        order = np.lexsort((-upper, queries))
        queries, rows, upper = queries[order], rows[order], upper[order]
        # the most promising of each query first: what they reach rules others out
        first = ranks(queries) < self.count
        self._compute(queries, rows, first & self._matter(queries, upper))
        self._compute(queries, rows, ~first & self._matter(queries, upper))

    def _matter(self, queries: Numbers, upper: Scores) -> npt.NDArray[np.bool_]:
        matter: npt.NDArray[np.bool_] = upper >= self.known.cpu().numpy()[queries]
        return matter

    def _compute(self, queries: Numbers, rows: Numbers, chosen: npt.NDArray[np.bool_]) -> None:
        queries, rows = queries[chosen], rows[chosen]
        self.computed += len(queries)
        order = np.argsort(rows, kind="stable")
        queries, rows = queries[order], rows[order]
        scores = np.empty(len(rows), np.float32)
        distinct, place = np.unique(rows, return_inverse=True)
        numbers = self.training.rows.numbers
        size = max(1, ROWS_BYTES // (4 * numbers))
        space = torch.empty(min(size, len(distinct)), numbers, device=self.device)
        for start in range(0, len(distinct), size):
            some = slice(*np.searchsorted(place, (start, start + size)))
            few = distinct[start : start + size]
            held = self.training.rows.filled(space[: len(few)], few)
            products = self._products(queries[some], held, place[some] - start)
            own = torch.from_numpy(queries[some]).to(self.device)
            terms = self.training.terms[torch.from_numpy(rows[some]).to(self.device)]
            scores[some] = (products + self.asked.terms[own] + terms).cpu().numpy()
        self.best = self.best.with_pairs(queries, rows, scores)

    def _products(self, queries: Numbers, held: Tensor, places: Numbers) -> Tensor:
        """Of each query with one of the rows held, (n,): alike however many there are."""
        numbers = held.shape[1]
        size = max(1, (PAIR_BYTES_ELSEWHERE if held.is_cuda else PAIR_BYTES) // (4 * numbers))
        made = held.new_empty(min(size, len(queries)), numbers)
        sums = []
        for start in range(0, len(queries), size):
            q, k = queries[start : start + size], places[start : start + size]
            own = made[: len(q)]
            if numbers < LONG or own.is_cuda:
                ours, theirs = (torch.from_numpy(part).to(self.device) for part in (q, k))
                torch.mul(self.asked.rows[ours], held[theirs], out=own)
            else:
                for row, one, other in zip(own, q.tolist(), k.tolist(), strict=True):
                    torch.mul(self.asked.rows[one], held[other], out=row)
            sums.append(own.sum(1))
        return torch.cat(sums) if sums else held.new_empty(0)
