"""One pass over the training rows, for as many queries as fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.pruning import Coarse
from verisim.audit.rows import Rows, block_size
from verisim.progress import Progress

NOTHING = -2.0
"""Below every correlation."""

FEW = 0.004
"""Below this share of pairs in a block they are computed one by one."""

PAIR_BYTES = 1 << 25
"""Of pairs that are computed one by one."""

ACCUMULATED = 5e-5
"""What a sum of products in fp32 may be off by."""

OUTPUT = 2.0**-8
"""Largest relative rounding of a number in bf16."""


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
        half: Whether products are taken in bf16.
        apart: Pairs that do not count.
    """

    training: Rows
    terms: Tensor
    coarse: Coarse | None
    queries: Tensor
    own_terms: Tensor
    count: int
    half: bool
    apart: Apart | None
    computed: int = 0

    def __post_init__(self) -> None:
        self.device = self.queries.device
        self.own_coarse = self.coarse and Coarse.of(self.queries, self.training.shape)
        self.rounded = _Rounded.of(self.queries) if self.half else None

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
            rows = self.training.block(start, stop)
            self._dense(block, torch.arange(stop - start), rows, start, known)
            return block
        alive = self._bounds(start, stop) >= known[:, None]
        pairs = int(alive.sum())
        if pairs == 0:
            return block
        columns = torch.nonzero(alive.any(0))[:, 0]
        rows = self._chosen(columns + start)
        if pairs <= FEW * alive.numel():
            self._sparse(block, alive[:, columns], columns, rows, start)
        else:
            self._dense(block, columns, rows, start, known)
        return block

    def _dense(
        self, block: Tensor, columns: Tensor, rows: Tensor, start: int, known: Tensor
    ) -> None:
        """Fill in what matters of all pairs of queries and some rows."""
        columns = columns.to(self.device)
        terms = self.own_terms[:, None] + self.terms[columns + start][None]
        self.computed += len(self.queries) * len(rows)
        if self.rounded is None:
            scores = torch.addmm(terms, self.queries, rows.T)
            block[:, columns] = self._counting(scores, start, columns)
            return
        other = _Rounded.of(rows)
        products, doubt = self.rounded.products(other)
        upper = self._counting(products + terms + doubt, start, columns)
        ranked = upper.topk(min(self.count, len(rows)), dim=1).indices
        first = torch.zeros_like(upper, dtype=torch.bool).scatter_(1, ranked, True)
        first &= upper >= known[:, None]
        self._sparse(block, first, columns, rows, start)
        reached = block.topk(min(self.count, block.shape[1]), dim=1).values[:, -1]
        rest = (upper >= torch.maximum(known, reached)[:, None]) & ~first
        self._sparse(block, rest, columns, rows, start)

    def _sparse(
        self, block: Tensor, chosen: Tensor, columns: Tensor, rows: Tensor, start: int
    ) -> None:
        """Fill in chosen pairs (Q, n) of queries and some rows, one by one."""
        which, place = torch.nonzero(chosen, as_tuple=True)
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


@dataclass(frozen=True, eq=False)
class _Rounded:
    """Rows in bf16, with how far each is from what it was.

    Args:
        rows: (N, D) bf16.
        norms: Of the rows as they were, (N,).
        lost: Norm of what rounding took, (N,).
    """

    rows: Tensor
    norms: Tensor
    lost: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> _Rounded:
        half = rows.to(torch.bfloat16)
        # in parts: a whole difference would double the memory
        lost = torch.cat(
            [
                torch.linalg.vector_norm(part - own.float(), dim=1)
                for part, own in zip(torch.split(rows, 64), torch.split(half, 64), strict=True)
            ]
        )
        return cls(half, torch.linalg.vector_norm(rows, dim=1), lost)

    def products(self, others: _Rounded) -> tuple[Tensor, Tensor]:
        """Products in bf16 and what they may be off by, both (N, M) fp32.

        ⟨a, b⟩ - ⟨ā, b̄⟩ = ⟨a - ā, b̄⟩ + ⟨a, b - b̄⟩, each by Cauchy and Schwarz.
        """
        products = (self.rows @ others.rows.T).float()
        doubt = torch.outer(self.lost, others.norms + others.lost)
        doubt += torch.outer(self.norms, others.lost)
        return products, doubt + OUTPUT * products.abs() + ACCUMULATED
