"""The closest pairs of an audit as pictures: a synthetic case and the training case beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verisim.audit.collection import Collection
from verisim.audit.heat_map import Agreement, agreement_of, scaled
from verisim.audit.report import AuditReport

Picture = npt.NDArray[np.float64]
"""(X, Y)."""

MOST_PAIRS = 8
"""More than a person looks at."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One slice of a synthetic case and of the training case that is most alike.

    Args:
        case: Name of the synthetic case.
        slice: Its number along the third axis.
        synthetic: (X, Y).
        training: The same slice of the training case, laid onto the synthetic one.
        difference: Synthetic minus training.
        agreement: From 0, where they do not agree, to 1.
    """

    case: str
    slice: int
    synthetic: Picture
    training: Picture
    difference: Picture
    agreement: Picture


def closest_pairs(
    report: AuditReport, training: Collection, synthetic: Collection, count: int = MOST_PAIRS
) -> tuple[Pair, ...]:
    """The cases of the highest scores, each with its training case.

    Args:
        report: Of the audit of these collections.
        training: Cases by the names that the report has.
        synthetic: Likewise.
        count: How many pairs.
    """
    laid = laid_pairs(report, training, synthetic, count)
    return tuple(_pair(name, made, found) for name, made, found in laid)


def laid_pairs(
    report: AuditReport, training: Collection, synthetic: Collection, count: int
) -> Iterator[tuple[str, npt.NDArray[np.float32], Agreement]]:
    """The closest pairs, first those of the highest score; see `closest_pairs`.

    Yields:
        The name of a synthetic case, its image (C, X, Y, Z), and its training case laid onto it.
    """
    rows = {name: k for k, name in enumerate(synthetic.names)}
    own = {name: k for k, name in enumerate(training.names)}
    for case in report.cases[:count]:
        made = np.asarray(synthetic.images[rows[case.name]])
        real = np.asarray(training.images[own[case.sight.nearest]])
        yield case.name, made, agreement_of(made, real, case.sight.alignment)


def _pair(name: str, made: npt.NDArray[np.float32], found: Agreement) -> Pair:
    """Two images (C, X, Y, Z) at the slice where most agrees; of several channels the first."""
    best = int(np.argmax(found.heat.mean(axis=(0, 1))))
    synthetic = np.asarray(made[0, ..., best], np.float64)
    training = scaled(np.asarray(found.laid[0, ..., best], np.float64), synthetic)
    return Pair(
        case=name,
        slice=best,
        synthetic=synthetic,
        training=training,
        difference=synthetic - training,
        agreement=np.asarray(found.heat[..., best], np.float64).clip(0, 1),
    )
