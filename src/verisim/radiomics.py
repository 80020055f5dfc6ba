"""Synthetic cases beside real ones, figure by figure: insides of labels, and variety of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verisim.fidelity import Pairs, draws, quantiles
from verisim.metrics.fidelity import Features, spread_distance
from verisim.metrics.likeness import likeness, middle
from verisim.metrics.texture import texture_of
from verisim.progress import SILENT, Part, Progress
from verisim.volume import Array, Volume

PAIRS = 100
"""Pairs of a set that are compared with each other."""


@dataclass(frozen=True)
class Spread:
    """How far one figure of synthetic cases is from that of the training cases.

    Args:
        synthetic: Distance, in deviations of the training cases; mean over draws.
        synthetic_range: 2.5 and 97.5 % quantiles of the draws.
        held_out: That of real cases that were held out: the floor.
    """

    synthetic: float
    synthetic_range: tuple[float, float]
    held_out: float


@dataclass(frozen=True)
class Likeness:
    """How alike the images of a set are to each other.

    Args:
        mean: Over pairs.
        spread: 2.5 and 97.5 % quantiles of means over as many pairs drawn anew.
    """

    mean: float
    spread: tuple[float, float]


def textures(
    training: Pairs, held_out: Pairs, synthetic: Pairs, progress: Progress = SILENT
) -> dict[str, Spread]:
    """Compare the insides of labels, figure by figure.

    Args:
        training: What the generator learned from.
        held_out: Real cases that it did not.
        synthetic: What it made.
        progress: Hears of every case.
    """
    base, real, made = (
        _figures(pairs, Part(progress, k, 3, "set"))
        for k, pairs in enumerate((training, held_out, synthetic))
    )
    found = {}
    for name, figures in base.items():
        own, floor = made.get(name, figures[:0]), real.get(name, figures[:0])
        if min(len(own), len(floor)) < 2:
            continue  # a label that hardly a case shows
        apart = [spread_distance(one, figures) for one in draws(own, min(len(own), len(floor)))]
        found[name] = Spread(
            float(np.mean(apart)), quantiles(apart), spread_distance(floor, figures)
        )
    return found


def variety(sets: Sequence[Pairs], progress: Progress = SILENT) -> list[Likeness]:
    """How alike images are to each other within each set, over the box that all of them fill.

    Args:
        sets: Cases on voxels of one size.
        progress: Hears of every pair.
    """
    turned = [[_image(volume) for volume, _ in pairs] for pairs in sets]
    shape = np.min([image.shape for images in turned for image in images], axis=0)
    return [
        _likeness([middle(image, shape) for image in images], Part(progress, k, len(sets), "set"))
        for k, images in enumerate(turned)
    ]


def _likeness(images: Sequence[Array], progress: Progress) -> Likeness:
    generator = np.random.default_rng(0)
    values = []
    for k in range(PAIRS):
        progress.advance(k, PAIRS, "pairs")
        one, other = generator.choice(len(images), 2, replace=False)
        values.append(likeness(images[one], images[other]))
    drawn = generator.choice(values, (1000, PAIRS)).mean(axis=1)
    return Likeness(float(np.mean(values)), quantiles(drawn))


def _image(volume: Volume) -> Array:
    """The first channel (X, Y, Z), turned as all others are."""
    turned = volume.reoriented("RAS").array
    first: Array = turned if turned.ndim == 3 else turned[0]
    return first.astype(np.float32)


def _figures(pairs: Pairs, progress: Progress) -> dict[str, Features]:
    """Each figure of each label, (N,), of the cases that have it."""
    found: dict[str, list[float]] = {}
    for k, (volume, label_map) in enumerate(pairs):
        progress.advance(k, len(pairs), "figures")
        image = volume.array if volume.array.ndim == 3 else volume.array[0]
        for label in label_map.labels:
            for name, figure in texture_of(image, label_map.binary(label)).items():
                found.setdefault(f"{label}, {name}", []).append(figure)
    arrays = {name: np.array(values) for name, values in found.items()}
    return {name: array[np.isfinite(array)] for name, array in arrays.items()}
