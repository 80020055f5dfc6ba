"""The best training rows of each query so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NOTHING = -2.0
"""Below every correlation."""

Numbers = npt.NDArray[np.intp]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Best:
    """The best so far; of equal ones those that come first in the training set.

    Args:
        scores: (Q, k), largest first; `NOTHING` where there are fewer.
        rows: Of the training images, (Q, k); -1 where there are fewer.
    """

    scores: Scores
    rows: Numbers

    @classmethod
    def none(cls, queries: int, count: int) -> Best:
        """Nothing yet."""
        scores = np.full((queries, count), NOTHING, np.float32)
        return cls(scores, np.full(scores.shape, -1, np.intp))

    def has(self, queries: Numbers, rows: Numbers) -> npt.NDArray[np.bool_]:
        """Whether pairs of a query and a row are among them, (n,)."""
        held: npt.NDArray[np.bool_] = (self.rows[queries] == rows[:, np.newaxis]).any(1)
        return held

    def with_pairs(self, queries: Numbers, rows: Numbers, scores: Scores) -> Best:
        """After some pairs, none of which they hold already."""
        own = np.repeat(np.arange(len(self.rows)), self.rows.shape[1])
        q = np.concatenate([own, queries])
        r = np.concatenate([self.rows.ravel(), rows])
        s = np.concatenate([self.scores.ravel(), scores])
        order = np.lexsort((r, -s, q))
        kept = order[ranks(q[order]) < self.rows.shape[1]]
        return Best(s[kept].reshape(self.scores.shape), r[kept].reshape(self.rows.shape))


def ranks(queries: Numbers) -> Numbers:
    """How many of the same query came before each, where queries are in order, (n,)."""
    place = np.arange(len(queries))
    first = np.concatenate([[True], queries[1:] != queries[:-1]])[: len(queries)]
    ranks: Numbers = place - np.maximum.accumulate(np.where(first, place, 0))
    return ranks
