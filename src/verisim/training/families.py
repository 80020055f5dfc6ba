"""Cases in groups of alike intensities: what scanners and sequences make different."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans

from verisim.errors import BadDataset
from verisim.networks.attributes import Attribute
from verisim.volume import Array

FAMILY = "intensity"
"""What the attribute is called."""

LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
"""Quantiles that tell the shape of a histogram; minimum and maximum would tell of two voxels."""

MIDDLE = LEVELS.index(0.5)

MOST_FAMILIES = 9
"""More are no families."""

STARTS = 20
"""Of k-means; the best of so many is the same wherever it is computed."""

DIGITS = 4
"""Of a centre in a card; by these, and no finer ones, families are told."""


def quantiles_of(image: Array) -> tuple[float, ...]:
    """The quantiles of a normalized image (C, X, Y, Z), those of the first channel first."""
    found = np.quantile(np.asarray(image).reshape(len(image), -1), LEVELS, axis=1)
    return tuple(float(one) for one in found.T.ravel())


def families_of(images: Sequence[Array], count: int) -> Attribute:
    """Families "1" to "N", those of the darkest middle first, by k-means (Lloyd 1982).

    Args:
        images: Normalized, (C, X, Y, Z) each.
        count: How many families.

    Raises:
        BadDataset: The images are too much alike to be told apart.
    """
    points = np.array([quantiles_of(image) for image in images]).round(DIGITS)
    if len(np.unique(points, axis=0)) < count:
        raise BadDataset(
            f"The intensities of {len(images)} cases are too much alike for {count} families.",
            "Ask for fewer, or leave out --intensity-families.",
        )
    found = KMeans(count, n_init=STARTS, random_state=0).fit(points).cluster_centers_
    # by the median, and where it is the same by the whole histogram
    centres = sorted(
        (tuple(float(one) for one in centre.round(DIGITS)) for centre in found),
        key=lambda centre: (centre[MIDDLE], centre),
    )
    return Attribute(FAMILY, tuple(str(k + 1) for k in range(count)), tuple(centres))


def family_of(attribute: Attribute, image: Array) -> str:
    """The family whose centre a normalized image (C, X, Y, Z) is nearest to."""
    distances = np.linalg.norm(np.array(attribute.centres) - quantiles_of(image), axis=1)
    return attribute.values[int(distances.argmin())]
