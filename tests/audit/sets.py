"""Small sets of cases for audits: every patient a random pattern of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verisim.audit.collection import Collection
from verisim.audit.measure import Alignment, Matches
from verisim.progress import SILENT, Progress

SHAPE = (1, 6, 6, 1)


def cases(
    name: str, patients: int, seed: int, each: int = 1, strata: Sequence[str] = ("all",)
) -> Collection:
    """Cases of new patients; several of one patient resemble each other.

    Args:
        name: How their names begin.
        patients: How many.
        seed: Other patients with another.
        each: Cases of each patient.
        strata: Dealt out in turn to a patient's cases.
    """
    draw = np.random.default_rng(seed)
    own = draw.normal(size=(patients, 1, *SHAPE))
    images = own + 0.5 * draw.normal(size=(patients, each, *SHAPE))
    return Collection(
        names=tuple(f"{name}_{k}_{j}" for k in range(patients) for j in range(each)),
        patients=tuple(f"{name}_{k}" for k in range(patients) for _ in range(each)),
        strata=tuple(strata[j % len(strata)] for _ in range(patients) for j in range(each)),
        digests=("",) * (patients * each),
        images=images.reshape(-1, *SHAPE).astype(np.float32),
    )


def together(first: Collection, second: Collection) -> Collection:
    """Cases of both."""
    return Collection(
        first.names + second.names,
        first.patients + second.patients,
        first.strata + second.strata,
        first.digests + second.digests,
        np.concatenate([first.images, second.images]),
    )


def copied(training: Collection, rows: Sequence[int], noise: float = 0.2) -> Collection:
    """Training cases with a little noise, under other names."""
    draw = np.random.default_rng(5)
    own = training.subset(rows)
    names = tuple(f"leak_{row}" for row in rows)
    noisy = own.images + noise * draw.normal(size=own.images.shape).astype(np.float32)
    return Collection(names, names, own.strata, ("",) * len(rows), noisy)


@dataclass
class PearsonIndex:
    """Correlation with each training case, the highest of them."""

    training: Collection
    rows: npt.NDArray[np.float64]

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """See `Index`."""
        progress.advance(0, len(queries), "correlating")
        table = normalized(queries) @ self.rows.T
        if not_of is not None:
            table[np.array(not_of)[:, None] == np.array(self.training.patients)] = -1
        nearest = table.argmax(axis=1)
        scores = table[np.arange(len(table)), nearest]
        return Matches("pearson", scores, nearest, (Alignment(),) * len(queries))


@dataclass(frozen=True)
class Pearson:
    """Plain correlation, as Akbar 2025 measures it."""

    name: str = "pearson"

    def prepared(self, training: Collection, progress: Progress = SILENT) -> PearsonIndex:
        """See `Measure`."""
        return PearsonIndex(training, normalized(training))


def normalized(collection: Collection) -> npt.NDArray[np.float64]:
    """Rows of mean 0 and length 1; a constant image is like none."""
    rows = collection.images.reshape(len(collection), -1).astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    normal: npt.NDArray[np.float64] = rows / np.maximum(lengths, 1e-6)
    return normal
