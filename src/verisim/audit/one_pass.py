"""One pass over the training rows, for as many queries as fit into memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from verisim.audit.apart import Apart
from verisim.audit.best import Best
from verisim.audit.exact_pairs import ExactPairs
from verisim.audit.half_rows import ACCUMULATED, OUTPUT
from verisim.audit.prepared import Asked, Prepared
from verisim.audit.pruning import Bounds, least_bound
from verisim.audit.scan import Scan
from verisim.progress import Progress

FEW = 0.01
"""A training row that matters to fewer of the queries is compared with those alone, one by one."""

PAIRS = 1 << 25
"""Bounds that are held at once."""


@dataclass(eq=False)
class OnePass:
    """Queries on their way past all training rows.

    Args:
        training: Rows.
        asked: Queries.
        exact: Computes what matters.
        apart: Pairs that do not count.
        progress: Hears of every block.
    """

    training: Prepared
    asked: Asked
    exact: ExactPairs
    apart: Apart | None
    progress: Progress
    scan: Scan = field(init=False)

    def __post_init__(self) -> None:
        self.scan = Scan(self.training, self.asked, self.exact, self.apart, self.progress)

    @property
    def computed(self) -> int:
        """Pairs of which the full product was computed."""
        return self.exact.computed + self.scan.computed

    def run(self) -> Best:
        """Look at all training rows; see `Engine`."""
        total = len(self.training.rows)
        if self.training.bounds is None:
            self.scan.over(slice(0, total))
        else:
            size = max(1, PAIRS // len(self.asked.rows))
            for start in range(0, total, size):
                self.progress.advance(start, total, "correlation")
                self._pruned(self.training.bounds, start, min(start + size, total))
        self.scan.settle()
        return self.exact.best

    def _pruned(self, bounds: Bounds, start: int, stop: int) -> None:
        """Look at some rows, without those whose bound is below what is known."""
        upper = bounds.between(self.asked.bounds, start, stop, self.exact.known)
        if self.apart is not None:
            forbidden = self.apart.forbidden(slice(start, stop), upper.device)
            upper.masked_fill_(forbidden, -torch.inf)
        # the most promising of each query first: what they reach rules others out
        top = upper.topk(min(self.exact.count, upper.shape[1]), 1)
        guessed = torch.zeros_like(upper, dtype=torch.bool).scatter_(1, top.indices, True)
        self._pairs(upper, guessed & self._alive(upper), start)
        alive = self._alive(upper)
        many = _counts(alive) > FEW * len(upper)
        self._pairs(upper, alive & ~many, start)
        columns = torch.nonzero(many)[:, 0].cpu().numpy() + start
        if len(columns):
            self.scan.over(columns.astype(np.intp))

    def _alive(self, upper: Tensor) -> Tensor:
        return upper >= least_bound(self.exact.known)[:, None]

    def _pairs(self, upper: Tensor, chosen: Tensor, start: int) -> None:
        which, place = torch.nonzero(chosen, as_tuple=True)
        bound = upper[which, place].float()
        bound += OUTPUT * bound.abs() + ACCUMULATED
        queries, rows = which.cpu().numpy(), place.cpu().numpy() + start
        self.exact.settle(queries, rows, bound.cpu().numpy())


def _counts(alive: Tensor) -> Tensor:
    """Of queries to which each training row matters, (n,); torch adds bytes up much faster."""
    parts = torch.split(alive.view(torch.uint8), 255)  # that is what a byte holds
    return torch.stack([part.sum(0, dtype=torch.uint8).int() for part in parts]).sum(0)
