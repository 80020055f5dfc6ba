"""Cases as points, without a network: along the directions in which training cases differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verisim.audit.collection import Collection
from verisim.metrics.fidelity import Features

COMPONENTS = 64
"""As many as the tests of whole sets were published with (Jiralerspong 2023)."""

MOST_CASES = 1000
"""Training cases that the directions are found from, drawn by lot."""


@dataclass(frozen=True, eq=False)
class Principal:
    """Principal components of training images.

    Args:
        mean: Of the training images, (D,).
        axes: (D, components).
    """

    mean: Features
    axes: Features

    @classmethod
    def among(cls, training: Collection, seed: int = 0) -> Principal:
        """The directions of most variance, by way of the small matrix of products (N, N)."""
        draw = np.random.default_rng(seed)
        rows = np.sort(draw.permutation(len(training))[:MOST_CASES])
        images = _rows(training.subset(rows))
        mean = images.mean(axis=0)
        centred = images - mean
        sizes, vectors = np.linalg.eigh(centred @ centred.T)
        kept = np.flatnonzero(sizes > 1e-9 * sizes[-1])[::-1][:COMPONENTS]
        return cls(mean, centred.T @ (vectors[:, kept] / np.sqrt(sizes[kept])))

    def __call__(self, cases: Collection) -> Features:
        """Where cases lie along them, (N, components)."""
        points: Features = (_rows(cases) - self.mean) @ self.axes
        return points


def _rows(cases: Collection) -> Features:
    return np.asarray(cases.images, dtype=np.float64).reshape(len(cases), -1)
