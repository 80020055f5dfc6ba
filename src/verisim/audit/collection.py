"""Cases on one grid, column by column: what an audit compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Collection:
    """Cases on one grid.

    Args:
        names: Of the cases.
        patients: Whose body each shows; the case's own name where nobody knows.
        strata: What kind of case each is, e.g. a slice position; cases are only calibrated
            against those of their own stratum.
        digests: SHA-256 of each case as it is on disk.
        images: (N, C, X, Y, Z), Z = 1 for slices; may be mapped from disk.
        masks: Labels (N, X, Y, Z), or None where there are none.
    """

    names: tuple[str, ...]
    patients: tuple[str, ...]
    strata: tuple[str, ...]
    digests: tuple[str, ...]
    images: npt.NDArray[np.float32]
    masks: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> Collection:
        """Some of the cases, in the order named."""
        kept = np.asarray(rows, dtype=np.intp)
        return Collection(
            names=tuple(self.names[k] for k in kept),
            patients=tuple(self.patients[k] for k in kept),
            strata=tuple(self.strata[k] for k in kept),
            digests=tuple(self.digests[k] for k in kept),
            images=self.images[kept],
            masks=None if self.masks is None else self.masks[kept],
        )
