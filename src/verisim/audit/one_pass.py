"""One pass over the training rows, for as many queries as fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.half_rows import ACCUMULATED, HalfRows
from verisim.audit.pruning import Coarse
from verisim.audit.rows import Rows, block_size
from verisim.progress import Progress

NOTHING = -2.0
"""Below every correlation."""

FEW = 0.004
"""Below this share of pairs in a block they are computed one by one."""

PAIR_BYTES = 1 << 22
"""Of pairs that are computed one by one."""


@dataclass(frozen=True, eq=False)
class Apart:
    """Whose each image is, so that pairs of one person can be left out.

    Args:
        queries: A number for each query, (Q,).
        training: A number for each training image, (N,).
    """

    queries: npt.NDArray[np.intp]
    training: npt.NDArray[np.intp]

    def forbidden(self, start: int, stop: int, device: torch.device) -> Tensor:
        """Pairs of queries and a block of training images that do not count, (Q, n)."""
        same = self.queries[:, np.newaxis] == self.training[np.newaxis, start:stop]
        return torch.from_numpy(same).to(device)


@dataclass(frozen=True, eq=False)
class Best:
    """The best so far of each query.

    Args:
        scores: (Q, k), largest first.
        rows: Of the training images, (Q, k).
    """

    scores: Tensor
    rows: Tensor

    @classmethod
    def none(cls, queries: int, count: int, device: torch.device) -> Best:
        """Nothing yet."""
        scores = torch.full((queries, count), NOTHING, device=device)
        return cls(scores, torch.full_like(scores, -1, dtype=torch.long))

    def with_block(self, block: Tensor, start: int) -> Best:
        """After the scores (Q, n) of training rows from `start` on."""
        count = self.scores.shape[1]
        scores, index = block.topk(min(count, block.shape[1]), dim=1)
        rows = torch.where(scores > NOTHING, index + start, -1)
        merged = torch.cat([self.scores, scores], 1)
        kept, place = merged.topk(count, dim=1)
        return Best(kept, torch.cat([self.rows, rows], 1).gather(1, place))


@dataclass(eq=False)
class OnePass:
    """Queries on their way past all training rows.

    Args:
        training: Rows around the origin.
        terms: Product of each with the origin, (N,).
        coarse: Their block averages, or None to compute every product.
        queries: Rows around the origin, (Q, D).
        own_terms: What must be added to a product for the origin, beside `terms`, (Q,).
        count: How many are wanted of each query.
        half: The training rows in bf16, or None to take products in fp32.
        apart: Pairs that do not count.
    """

    training: Rows
    terms: Tensor
    coarse: Coarse | None
    queries: Tensor
    own_terms: Tensor
    count: int
    half: HalfRows | None
    apart: Apart | None
    computed: int = 0

    def __post_init__(self) -> None:
        self.device = self.queries.device
        self.own_coarse = self.coarse and Coarse.of(self.queries, self.training.shape)
        self.own_half = None if self.half is None else HalfRows.of(self.queries)
        self.own_bits = None if self.own_half is None else self.own_half.taken(slice(None))

    def run(self, least: float, progress: Progress) -> Best:
        """Look at all training rows; see `Engine`."""
        total, size = len(self.training), block_size(self.training.numbers)
        floor = self._first_guess(size).clamp_min(least)
        best = Best.none(len(self.queries), self.count, self.device)
        for start in range(0, total, size):
            progress.advance(start, total, "correlation")
            stop = min(start + size, total)
            known = torch.maximum(floor, best.scores[:, -1])
            best = best.with_block(self._block(start, stop, known), start)
        return best

    def _first_guess(self, size: int) -> Tensor:
        """What each query reaches for certain: with the rows that are best by block averages."""
        if self.coarse is None:
            return torch.full((len(self.queries),), NOTHING, device=self.device)
        best = Best.none(len(self.queries), self.count, self.device)
        for start in range(0, len(self.training), size):
            stop = min(start + size, len(self.training))
            best = best.with_block(self._bounds(start, stop), start)
        exact = best.scores.clone()
        for rank in range(self.count):
            some = torch.nonzero(best.rows[:, rank] >= 0)[:, 0]
            for part in torch.split(some, self._pairs_at_once):
                rows = best.rows[part, rank]
                exact[part, rank] = self._exact(part, self._chosen(rows), rows)
        return exact.min(dim=1).values - ACCUMULATED

    def _block(self, start: int, stop: int, known: Tensor) -> Tensor:
        """Exact scores of a block, (Q, n); NOTHING where they cannot matter."""
        block = torch.full((len(self.queries), stop - start), NOTHING, device=self.device)
        if self.coarse is None:
            self._dense(block, np.arange(stop - start), start, known)
            return block
        alive = self._bounds(start, stop) >= known[:, None]
        pairs = int(alive.sum())
        if pairs <= FEW * alive.numel():
            self._sparse(block, alive, start)
        else:
            columns = torch.nonzero(alive.any(0))[:, 0].cpu().numpy()
            self._dense(block, columns, start, known)
        return block

    def _dense(
        self, block: Tensor, columns: npt.NDArray[np.intp], start: int, known: Tensor
    ) -> None:
        """Fill in what matters of all pairs of queries and some rows of a block."""
        self.computed += len(self.queries) * len(columns)
        rows = columns + start
        whole = len(columns) == block.shape[1]
        taken = slice(start, start + len(columns)) if whole else rows
        terms = self.own_terms[:, None] + self.terms[taken][None]
        place = torch.from_numpy(columns).to(self.device)
        if self.half is None or self.own_half is None or self.own_bits is None:
            scores = torch.addmm(terms, self.queries, self.training.chosen(rows).T)
            block[:, place] = self._counting(scores, start, place)
            return
        products, doubt = self.half.products(taken, self.own_half, self.own_bits)
        upper = torch.full_like(block, NOTHING)
        upper[:, place] = self._counting(products + terms + doubt, start, place)
        ranked = upper.topk(min(self.count, block.shape[1]), dim=1).indices
        first = torch.zeros_like(upper, dtype=torch.bool).scatter_(1, ranked, True)
        first &= (upper >= known[:, None]) & (upper > NOTHING)
        self._sparse(block, first, start)
        reached = block.topk(min(self.count, block.shape[1]), dim=1).values[:, -1]
        rest = upper >= torch.maximum(known, reached)[:, None]
        self._sparse(block, rest & ~first & (upper > NOTHING), start)

    def _sparse(self, block: Tensor, chosen: Tensor, start: int) -> None:
        """Fill in chosen pairs (Q, n) of queries and a block, one by one in fp32."""
        columns = torch.nonzero(chosen.any(0))[:, 0]
        if not len(columns):
            return
        rows = self._chosen(columns + start)
        which, place = torch.nonzero(chosen[:, columns], as_tuple=True)
        for some in torch.split(torch.arange(len(which), device=self.device), self._pairs_at_once):
            q, k = which[some], place[some]
            block[q, columns[k]] = self._exact(q, rows[k], columns[k] + start)

    def _exact(self, q: Tensor, rows: Tensor, index: Tensor) -> Tensor:
        """Correlations in fp32 of queries and rows, pair by pair."""
        self.computed += len(q)
        products = torch.einsum("nd,nd->n", self.queries[q], rows)
        return products + self.own_terms[q] + self.terms[index]

    def _bounds(self, start: int, stop: int) -> Tensor:
        """Nothing that counts is larger, (Q, n)."""
        if self.coarse is None or self.own_coarse is None:
            raise ValueError("there are no block averages")
        bounds = self.own_coarse.bounds(self.coarse.rows(slice(start, stop)))
        bounds += self.own_terms[:, None] + self.terms[None, start:stop]
        return self._counting(bounds, start, torch.arange(stop - start, device=self.device))

    def _counting(self, scores: Tensor, start: int, columns: Tensor) -> Tensor:
        """Scores (Q, n), with NOTHING for pairs that do not count."""
        if self.apart is None:
            return scores
        stop = start + int(columns.max()) + 1
        forbidden = self.apart.forbidden(start, stop, self.device)[:, columns]
        return scores.masked_fill(forbidden, NOTHING)

    def _chosen(self, rows: Tensor) -> Tensor:
        return self.training.chosen(rows.cpu().numpy())

    @property
    def _pairs_at_once(self) -> int:
        return max(1, PAIR_BYTES // (4 * self.training.numbers))
