"""Images that look the same though they count as different subjects: a leak between splits."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import ndimage

from verisim.errors import VerisimWarning
from verisim.training.examples import Example
from verisim.volume import Array

THUMBNAIL = 16
"""Voxels along each side of the small images that are compared."""

SAME = 0.95
"""Correlation of images of the same scan; the two sides of one brain come to 0.8 (measured)."""

ROUNDING = 1e-6
"""Of an image's own size: smaller differences between voxels are none."""

MOST_NAMED = 5
"""Pairs that a warning names."""


class SubjectWarning(VerisimWarning):
    """A split that may not keep subjects apart."""


def warn_of_look_alikes(training: Sequence[Example], validation: Sequence[Example]) -> None:
    """Compare every case that teaches with every case that is held out from it.

    Args:
        training: Preprocessed cases.
        validation: Those on the other side.

    Warns:
        SubjectWarning: Names the pairs that look the same.
    """
    warn_of(look_alikes(training, validation))


def look_alikes(
    training: Sequence[Example], validation: Sequence[Example]
) -> list[tuple[str, str, float]]:
    """Names and correlation of the pairs that look the same, the most alike first."""
    correlations = _thumbnails(training) @ _thumbnails(validation).T
    pairs = [
        (training[i].name, validation[j].name, float(correlations[i, j]))
        for i, j in np.argwhere(correlations > SAME)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def warn_of(pairs: Iterable[tuple[str, str, float]]) -> None:
    """Warn of pairs, each named once.

    Warns:
        SubjectWarning: If there are any.
    """
    alike = {tuple(sorted(pair[:2])): pair[2] for pair in pairs}
    if not alike:
        return
    named = [f"{a} and {b} ({alike[a, b]:.2f})" for a, b in list(alike)[:MOST_NAMED]]
    more = f" and {len(alike) - MOST_NAMED} more" if len(alike) > MOST_NAMED else ""
    warnings.warn(
        f"{len(alike)} pair(s) of images look the same but count as different subjects, one on "
        f"each side of a split: {', '.join(named)}{more}. If a pair is of one person, the "
        "validation Dice is too good: say whose they are with --subject-table or "
        "--subject-pattern.",
        SubjectWarning,
        stacklevel=3,
    )


def _thumbnails(examples: Sequence[Example]) -> Array:
    """Small images (N, voxels) of the first channel, each with mean 0 and length 1."""
    return np.stack([_thumbnail(example.image[0]) for example in examples])


def _thumbnail(image: Array) -> Array:
    # every k-th voxel first, so that a large image is not interpolated as a whole
    coarse = image[tuple(slice(None, None, max(1, n // (2 * THUMBNAIL))) for n in image.shape)]
    small = ndimage.zoom(coarse, [THUMBNAIL / n for n in coarse.shape], order=1).ravel()
    centred = small - small.mean()
    length = float(np.linalg.norm(centred))
    # what is left of a constant image is rounding
    varied = length > ROUNDING * float(np.linalg.norm(small))
    flat: Array = centred / length if varied else np.zeros_like(centred)
    return flat
