"""Synthetic cases beside real ones: how far apart, beside how far real ones are apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verisim.dataset import Case
from verisim.embedding import Directions, Embedding
from verisim.errors import BadInput
from verisim.metrics.fidelity import (
    Coverage,
    Features,
    coverage,
    frechet_distance,
    kernel_distance,
)
from verisim.metrics.shape import shape_of
from verisim.progress import SILENT, Part, Progress
from verisim.volume import LabelMap, Volume

DRAWS = 20
"""Sets as large as the held-out one that are drawn of the synthetic cases."""

FEWEST = 6
"""Cases on each side."""


@dataclass(frozen=True)
class Distances:
    """Of cases to the training cases; means over draws, with their 2.5 and 97.5 % quantiles.

    Args:
        frechet: Fréchet distance of features.
        frechet_range: Of the draws.
        kernel: Kernel distance of features.
        kernel_range: Of the draws.
        coverage: Of all cases among the training cases.
    """

    frechet: float
    frechet_range: tuple[float, float]
    kernel: float
    kernel_range: tuple[float, float]
    coverage: Coverage


@dataclass(frozen=True)
class Fidelity:
    """How like real cases synthetic ones are, in one embedding.

    Args:
        embedding: Whose features.
        size: Cases of each draw: Fréchet distances of sets of other sizes do not compare.
        synthetic: Synthetic cases beside the training cases.
        held_out: Real ones beside the training cases: the floor.
    """

    embedding: str
    size: int
    synthetic: Distances
    held_out: Distances

    @property
    def ratio(self) -> float:
        """Fréchet distance over its floor."""
        return self.synthetic.frechet / self.held_out.frechet


@dataclass(frozen=True)
class ShapeRange:
    """One figure of the label maps.

    Args:
        real: Mean over the real ones.
        low: The smallest real one.
        high: The largest real one.
        synthetic: Mean over the synthetic ones.
        within: Share of the synthetic ones from the smallest to the largest real one.
    """

    real: float
    low: float
    high: float
    synthetic: float
    within: float


Pairs = Sequence[tuple[Volume, LabelMap]]


def pairs_of(cases: Sequence[Case], labels: Mapping[str, int], progress: Progress) -> Pairs:
    """Images and label maps of cases.

    Raises:
        BadInput: Too few.
    """
    if len(cases) < FEWEST:
        raise BadInput(f"{len(cases)} case(s) are too few to compare.", f"Take {FEWEST} or more.")
    found = []
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), f"reading {case.name}")
        found.append(case.pair(labels))
    return found


def fidelity(
    embedding: Embedding,
    training: Pairs,
    held_out: Pairs,
    synthetic: Pairs,
    progress: Progress = SILENT,
) -> Fidelity:
    """Compare images by the features of a network.

    Args:
        embedding: The network.
        training: What the generator learned from.
        held_out: Real cases that it did not.
        synthetic: What it made.
        progress: Hears of every volume.
    """
    clouds = [
        embedding([volume for volume, _ in pairs], Part(progress, k, 3, "set"))
        for k, pairs in enumerate((training, held_out, synthetic))
    ]
    directions = Directions.among(clouds[0])
    base, real, made = (directions(cloud) for cloud in clouds)
    size = min(len(real), len(made))
    return Fidelity(
        embedding.title, size, _distances(base, made, size), _distances(base, real, size)
    )


def shapes(real: Pairs, synthetic: Pairs) -> dict[str, ShapeRange]:
    """Compare label maps by their figures."""
    ours, theirs = (_figures(pairs) for pairs in (synthetic, real))
    return {name: _range(theirs[name], ours[name]) for name in theirs}


def _distances(base: Features, cloud: Features, size: int) -> Distances:
    drawn = list(draws(cloud, size))
    frechets = [frechet_distance(one, base) for one in drawn]
    kernels = [kernel_distance(one, base) for one in drawn]
    return Distances(
        float(np.mean(frechets)),
        quantiles(frechets),
        float(np.mean(kernels)),
        quantiles(kernels),
        coverage(base, cloud),
    )


def draws(cloud: Features, size: int) -> Iterator[Features]:
    """Sets of a size without repetition; the whole where it has that size."""
    generator = np.random.default_rng(0)
    for _ in range(DRAWS if len(cloud) > size else 1):
        yield cloud[generator.choice(len(cloud), size, replace=False)]


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Those of 2.5 and of 97.5 %."""
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _figures(pairs: Pairs) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for _, label_map in pairs:
        for name, figure in shape_of(label_map).items():
            found.setdefault(name, []).append(figure)
    return found


def _range(real: Sequence[float], made: Sequence[float]) -> ShapeRange:
    low, high = float(np.nanmin(real)), float(np.nanmax(real))
    inside = [low <= one <= high for one in made]
    return ShapeRange(
        float(np.nanmean(real)), low, high, float(np.nanmean(made)), float(np.mean(inside))
    )
