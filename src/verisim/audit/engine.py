"""The most correlated training images of every query, exactly, whatever the number of images.

All pairs are looked at (Akbar 2025), yet few are computed in full: a bound from block averages
sets most aside (see `pruning`), products of the rest are taken in bf16, and whatever rounding
could have hidden is computed again in fp32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verisim.audit.apart import Apart
from verisim.audit.best import Best
from verisim.audit.exact_pairs import ExactPairs
from verisim.audit.one_pass import OnePass
from verisim.audit.prepared import Prepared
from verisim.audit.rows import Rows
from verisim.progress import SILENT, Progress

BYTES = 3 << 28
"""Of the rows of queries that are held at once, in fp32 and bf16: 800 MB."""


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
    """Training images, ready to be compared with.

    Args:
        training: They, prepared.
    """

    training: Prepared

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
        rows = self.training.rows
        size = max(1, BYTES // (6 * rows.numbers))
        found: list[Best] = []
        computed = 0
        for start in range(0, len(images), size):
            stop = min(start + size, len(images))
            own = apart and Apart(apart.queries[start:stop], apart.training)
            asked = self.training.asked(
                Rows(images[start:stop], rows.device, self.training.origin)
            )
            exact = ExactPairs(self.training, asked, min(count, len(rows)), least)
            watcher = _Passes(progress, start, stop, len(images))
            one = OnePass(self.training, asked, exact, own, watcher)
            found.append(one.run())
            computed += one.computed
        return Nearest(
            np.concatenate([best.scores for best in found]).astype(np.float64),
            np.concatenate([best.rows for best in found]),
            computed / max(1, len(images) * len(rows)),
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
