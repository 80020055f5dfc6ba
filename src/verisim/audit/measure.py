"""What every likeness of a case to training cases has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from verisim.audit.collection import Collection
from verisim.progress import SILENT, Progress

Scores = npt.NDArray[np.float64]
"""One number a case; higher is more alike."""


@dataclass(frozen=True)
class Alignment:
    """How a training case is laid onto a query.

    Args:
        matrix: 4×4, voxel of the query to voxel of the training case.
        sign: -1 where the query is the training case with black and white exchanged.
    """

    matrix: tuple[tuple[float, float, float, float], ...] = (
        (1.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 0.0),
        (0.0, 0.0, 1.0, 0.0),
        (0.0, 0.0, 0.0, 1.0),
    )
    sign: int = 1


@dataclass(frozen=True, eq=False)
class Matches:
    """The most alike training case of each query, as one measure sees it.

    Args:
        measure: Its name.
        scores: (Q,).
        nearest: Row of the training collection, (Q,).
        alignments: Of that case, one a query.
    """

    measure: str
    scores: Scores
    nearest: npt.NDArray[np.intp]
    alignments: tuple[Alignment, ...]


class Index(Protocol):
    """Training cases, prepared so that many queries can be compared with all of them."""

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """Compare queries with all training cases.

        Args:
            queries: On the same grid.
            progress: Hears of every query; may cancel between two.
            not_of: A patient for each query, whose training cases do not count: so training
                cases are compared with all but their own patient.
        """


class Measure(Protocol):
    """One way to see how alike cases are."""

    @property
    def name(self) -> str:
        """One word or two, for tables."""

    def prepared(self, training: Collection, progress: Progress = SILENT) -> Index:
        """The index of training cases; what is learned, is learned from these alone."""
