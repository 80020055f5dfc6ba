"""Measures by registration: a training case laid onto the query, textures compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from verisim.audit.collection import Collection
from verisim.audit.laying import Laid, Laying, LayingIndex
from verisim.audit.measure import Matches
from verisim.progress import SILENT, Progress

Look = Literal["whole", "bent", "recoloured", "tile", "part", "detail"]
"""At the training case that agrees best as a whole, after a smooth warp, in every small place for
itself, in some tile once it is laid on as a whole, in a part by which it was found, or in its fine
detail; see `Finding`."""


@dataclass(frozen=True)
class Registered:
    """How well the texture of the most alike training case agrees, once it is laid on.

    Args:
        name: For tables.
        looked_at: What of the search counts.
        laying: How it is searched for; measures with equal settings share one search.
    """

    name: str
    looked_at: Look
    laying: Laying = field(default_factory=Laying)

    def prepared(self, training: Collection, progress: Progress = SILENT) -> RegisteredIndex:
        """See `Measure`."""
        progress.advance(0, 1, self.name)
        return RegisteredIndex(self.name, self.looked_at, self.laying.prepared(training))


@dataclass(frozen=True, eq=False)
class RegisteredIndex:
    """Training cases, see `Index`.

    Args:
        name: Of the measure.
        looked_at: What of the search counts.
        laying: The search.
    """

    name: str
    looked_at: Look
    laying: LayingIndex

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """See `Index`."""
        found: list[Laid] = []
        for k, image in enumerate(queries.images):
            progress.advance(k, len(queries), self.name)
            patient = None if not_of is None else not_of[k]
            found.append(getattr(self.laying(image, patient), self.looked_at))
        return Matches(
            self.name,
            np.array([laid.score for laid in found]),
            np.array([laid.row for laid in found], dtype=np.intp),
            tuple(laid.alignment for laid in found),
        )
