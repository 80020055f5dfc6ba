"""Pearson correlation with every training image, at the same place (Akbar 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verisim.audit.apart import Apart
from verisim.audit.collection import Collection
from verisim.audit.engine import Engine
from verisim.audit.measure import Alignment, Matches
from verisim.audit.prepared import Prepared
from verisim.progress import SILENT, Progress


@dataclass(frozen=True)
class Correlation:
    """The largest correlation over voxels and channels, exhaustive and exact.

    Args:
        device: Where to compute.
    """

    device: str = "cpu"

    @property
    def name(self) -> str:
        """For tables."""
        return "correlation"

    def prepared(self, training: Collection, progress: Progress = SILENT) -> CorrelationIndex:
        """See `Measure`."""
        engine = Engine(Prepared.of(training.images, self.device, progress=progress))
        return CorrelationIndex(self.name, engine, training.patients)


@dataclass(frozen=True, eq=False)
class CorrelationIndex:
    """Training images as rows, see `Index`.

    Args:
        name: Of the measure.
        engine: Holds the rows.
        patients: Whose they are.
    """

    name: str
    engine: Engine
    patients: tuple[str, ...]

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """See `Index`."""
        apart = None if not_of is None else numbered_apart(not_of, self.patients)
        found = self.engine(queries.images, apart=apart, progress=progress)
        still = Alignment()
        return Matches(
            self.name, found.scores[:, 0], found.rows[:, 0], (still,) * len(found.scores)
        )


def numbered_apart(queries: Sequence[str], training: Sequence[str]) -> Apart:
    """Patients as numbers, so that pairs of one patient can be left out."""
    number = {patient: k for k, patient in enumerate(dict.fromkeys((*queries, *training)))}
    return Apart(
        np.array([number[patient] for patient in queries], dtype=np.intp),
        np.array([number[patient] for patient in training], dtype=np.intp),
    )
