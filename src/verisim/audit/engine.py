"""The most correlated training images of every query, exactly, whatever the number of images.

All pairs are looked at (Akbar 2025), yet few are computed in full: a bound from block averages
sets most aside (see `pruning`), products of the rest are taken in bf16, and whatever rounding
could have hidden is computed again in fp32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.half_rows import HalfRows
from verisim.audit.one_pass import Apart, Best, OnePass
from verisim.audit.pruning import Coarse
from verisim.audit.rows import Precision, Rows, block_size
from verisim.progress import SILENT, Progress

BYTES = 5 << 27
"""Of the rows of queries that are held at once, in fp32 and bf16: 640 MB."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """The best training rows of each query.

    Args:
        scores: Correlations (Q, k), largest first.
        rows: Of the training images, (Q, k); -1 where there are fewer.
        computed: Share of all pairs whose full product was computed.
    """

    scores: npt.NDArray[np.float64]
    rows: npt.NDArray[np.intp]
    computed: float


@dataclass(frozen=True, eq=False)
class Engine:
    """Training images, prepared.

    Args:
        training: Their rows, around their mean.
        origin: That mean, (D,).
        terms: Product of each row with it, (N,).
        coarse: Block averages of them, or None to compute every product.
        half: The rows in bf16; None to take products in fp32. Sums are taken again in fp32
            wherever it matters.
    """

    training: Rows
    origin: Tensor
    terms: Tensor
    coarse: Coarse | None
    half: HalfRows | None

    @classmethod
    def of(
        cls,
        images: npt.NDArray[np.generic],
        device: str = "cpu",
        precision: Precision = "bf16",
        *,
        pruned: bool = True,
        progress: Progress = SILENT,
    ) -> Engine:
        """Prepare training images (N, C, X, Y, Z), which may be mapped from disk."""
        plain = Rows(images, device)
        size = block_size(plain.numbers)
        origin = plain.block(0, min(size, len(plain))).mean(0)
        training = Rows(images, device, origin)
        half = HalfRows.room(len(plain), plain.numbers, device) if precision == "bf16" else None
        terms, coarse = [], []
        for start, rows in training.blocks(size):
            progress.advance(start, len(training), "block averages")
            terms.append(rows @ origin)
            coarse += [Coarse.of(rows, training.shape)] if pruned else []
            if half is not None:
                half.fill(start, rows)
        joined = Coarse.joined(coarse) if pruned else None
        return cls(training, origin, torch.cat(terms), joined, half)

    def __call__(
        self,
        images: npt.NDArray[np.generic],
        count: int = 1,
        *,
        least: float = -1.0,
        apart: Apart | None = None,
        progress: Progress = SILENT,
    ) -> Nearest:
        """The nearest training images of queries.

        Args:
            images: Queries (Q, C, X, Y, Z).
            count: How many of each.
            least: Correlations below it are of no interest: what is returned there is the
                largest among those that were computed, or -2 with row -1.
            apart: Pairs that do not count.
            progress: Hears of every block.
        """
        queries = Rows(images, self.training.device, self.origin)
        size = max(1, BYTES // (6 * queries.numbers))
        found: list[Best] = []
        computed = 0
        for start in range(0, len(queries), size):
            stop = min(start + size, len(queries))
            own = apart and Apart(apart.queries[start:stop], apart.training)
            one = self._pass(queries.block(start, stop), min(count, len(self.training)), own)
            watcher = _Passes(progress, start, stop, len(queries))
            found.append(one.run(least, watcher))
            computed += one.computed
        return Nearest(
            torch.cat([best.scores for best in found]).double().cpu().numpy(),
            torch.cat([best.rows for best in found]).cpu().numpy().astype(np.intp),
            computed / max(1, len(queries) * len(self.training)),
        )

    def _pass(self, queries: Tensor, count: int, apart: Apart | None) -> OnePass:
        own_terms = queries @ self.origin + self.origin.square().sum()
        return OnePass(
            self.training,
            self.terms,
            self.coarse,
            queries,
            own_terms,
            count,
            half=self.half,
            apart=apart,
        )


@dataclass(frozen=True)
class _Passes:
    whole: Progress
    first: int
    last: int
    count: int

    def advance(self, done: int, total: int, message: str = "") -> None:
        share = self.first * total + (self.last - self.first) * done
        self.whole.advance(share, self.count * total, message)
