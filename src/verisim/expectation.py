"""What Dice a model may expect of an answer, corrected by cases that it did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np


@dataclass(frozen=True)
class Expectation:
    """The true Dice as a straight line over the one that the probabilities let expect.

    Networks are surer than they are right; as it is made, the line changes nothing.

    Args:
        intercept: Dice where 0 is expected.
        slope: How much the true Dice rises with the expected one; not below 0.
    """

    intercept: float = 0.0
    slope: float = 1.0

    def __call__(self, expected: float) -> float:
        """The corrected Dice, 0 to 1."""
        return min(1.0, max(0.0, self.intercept + self.slope * expected))


def fitted(expected: Sequence[float], true: Sequence[float]) -> Expectation:
    """The line of least squares; pairs with a nan, where nothing was found, do not count.

    One case, or cases of which the same is expected, tell how far off the expectation is, but
    not how it rises: the slope stays 1. It never falls, so cases keep their order.

    Args:
        expected: Dice that the probabilities let expect, one a case.
        true: Dice beside the truth, in the same order.
    """
    pairs = [p for p in zip(expected, true, strict=True) if not (isnan(p[0]) or isnan(p[1]))]
    if not pairs:
        return Expectation()
    x, y = np.array(pairs).T
    spread = float(((x - x.mean()) ** 2).sum())
    together = float(((x - x.mean()) * (y - y.mean())).sum())
    slope = max(0.0, together / spread) if spread > 0 else 1.0
    return Expectation(round(float(y.mean() - slope * x.mean()), 6), round(slope, 6))
