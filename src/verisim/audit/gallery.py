"""The closest pairs of an audit as pictures: a synthetic case and the training case beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from verisim.audit.collection import Collection
from verisim.audit.measure import Alignment
from verisim.audit.report import AuditReport

Picture = npt.NDArray[np.float64]
"""(X, Y)."""

MOST_PAIRS = 8
"""More than a person looks at."""

WINDOW = 7
"""Voxels along each edge of the places that are compared: small anatomy, not noise."""


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
    rows = {name: k for k, name in enumerate(synthetic.names)}
    own = {name: k for k, name in enumerate(training.names)}
    return tuple(
        _pair(
            case.name,
            synthetic.images[rows[case.name]],
            training.images[own[case.sight.nearest]],
            case.sight.alignment,
        )
        for case in report.cases[:count]
    )


def _pair(name: str, synthetic: npt.ArrayLike, training: npt.ArrayLike, how: Alignment) -> Pair:
    """Two images (C, X, Y, Z) at the slice where most agrees; of several channels the first."""
    made = np.asarray(synthetic, np.float64)[0]
    real = laid_onto(np.asarray(training, np.float64)[0], how)
    agreement = local_agreement(made, real)
    best = int(np.argmax(agreement.mean(axis=(0, 1))))
    scaled = _scaled(real[..., best], made[..., best])
    return Pair(
        case=name,
        slice=best,
        synthetic=made[..., best],
        training=scaled,
        difference=made[..., best] - scaled,
        agreement=agreement[..., best],
    )


def laid_onto(training: Picture, how: Alignment) -> Picture:
    """A training image (X, Y, Z) on the voxels of the query that it was aligned with."""
    matrix = np.asarray(how.matrix)
    moved: Picture = ndimage.affine_transform(
        training, matrix[:3, :3], matrix[:3, 3], order=1, mode="nearest"
    )
    return how.sign * moved


def local_agreement(first: Picture, second: Picture, window: int = WINDOW) -> Picture:
    """Correlation of the surroundings of each voxel, negative ones as 0: (X, Y, Z).

    Places without any contrast agree with nothing.
    """
    size = [min(window, n) for n in first.shape]

    def mean(array: Picture) -> Picture:
        found: Picture = ndimage.uniform_filter(array, size, mode="nearest")
        return found

    a, b = mean(first), mean(second)
    spread = (mean(first**2) - a**2).clip(0) * (mean(second**2) - b**2).clip(0)
    least = 1e-6 * max(float(spread.max()), 1e-12)
    together = mean(first * second) - a * b
    found: Picture = np.where(spread > least, together / np.sqrt(spread.clip(least)), 0.0)
    found.clip(0, 1, out=found)
    return found


def _scaled(picture: Picture, like: Picture) -> Picture:
    """The picture in the brightness and contrast of another, so that a difference is of shape."""
    spread = float(picture.std())
    ratio = float(like.std()) / spread if spread > 0 else 1.0
    scaled: Picture = (picture - picture.mean()) * ratio + like.mean()
    return scaled
