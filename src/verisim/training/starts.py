"""Bad label maps to begin from, for training: what a model says of noisy copies, or the truth
with a piece too much, too little or elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from verisim.card import ModelCard
from verisim.files.atomic import replacing
from verisim.patches import predict
from verisim.precision import reduced_precision
from verisim.progress import SILENT, Progress
from verisim.training.examples import Example
from verisim.volume import Array

EACH = 3
"""Noisy copies of a case."""

LEAST_NOISE, MOST_NOISE = 1.0, 6.0
"""Of a copy, in standard deviations of the image; its contrast does not matter after that."""

SPOILED = 0.35
"""Share of the starts that are the truth, spoiled, and no model's answer."""

FURTHEST = 4
"""Voxels, at most and along each axis, by which a truth is moved."""

BALL = (0.15, 0.4)
"""Radius of a piece that is dropped, added or mistaken, in lengths of the labels' box."""


@dataclass(frozen=True)
class Begun:
    """A case with bad answers to it.

    Args:
        example: Image and truth.
        starts: Label maps (X, Y, Z) of the model.
    """

    example: Example
    starts: tuple[Array, ...]


def begun(
    card: ModelCard,
    examples: Sequence[Example],
    path: Path,
    seed: int,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> list[Begun]:
    """Each case with what a model says of noisy copies of it.

    Args:
        card: The model that is corrected later.
        examples: As it sees them.
        path: A file that keeps the answers for a run that goes on later.
        seed: Of the noise.
        device: Where to compute.
        progress: Hears of every case.
    """
    if not path.is_file():
        network, kept = card.load().to(device), {}
        for n, example in enumerate(examples):
            progress.advance(n, len(examples), "making bad starts")
            generator = np.random.default_rng((seed, n))
            answers = [_answer(network, card, example, generator, device) for _ in range(EACH)]
            kept[example.name] = np.stack(answers)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **kept)
    with np.load(path) as kept_starts:
        return [Begun(example, tuple(kept_starts[example.name])) for example in examples]


def _answer(
    network: nn.Module,
    card: ModelCard,
    example: Example,
    generator: np.random.Generator,
    device: str,
) -> Array:
    noise = float(generator.uniform(LEAST_NOISE, MOST_NOISE))
    copy = noisy(example.image, noise, generator)
    with torch.inference_mode(), reduced_precision(device):
        probabilities = predict(network, copy, card.patch_size, device=device)
    answer: Array = probabilities.argmax(axis=0).astype(np.uint8)
    return answer


def noisy(image: Array, noise: float, generator: np.random.Generator) -> Array:
    """A copy with noise of so many standard deviations, of the mean and deviation it had.

    Args:
        image: (C, X, Y, Z), normalized.
    """
    deviation = image.std(axis=(1, 2, 3), keepdims=True)
    mean = image.mean(axis=(1, 2, 3), keepdims=True)
    drawn = image - mean + noise * deviation * generator.normal(size=image.shape)
    copy: Array = (mean + drawn / np.sqrt(1 + noise**2)).astype(np.float32)
    return copy


def start_of(case: Begun, classes: int, generator: np.random.Generator) -> Array:
    """One bad answer: the model's, or the truth, spoiled."""
    if generator.random() < SPOILED:
        return spoiled(case.example.label, classes, generator)
    return case.starts[int(generator.integers(len(case.starts)))]


def spoiled(truth: Array, classes: int, generator: np.random.Generator) -> Array:
    """A truth (X, Y, Z) moved, grown or shrunk, and with a piece of another class."""
    result = truth.copy()
    for change in (_moved, _resized, _mistaken):
        if generator.random() < 0.5:
            result = change(result, classes, generator)
    return result


def _moved(labels: Array, classes: int, generator: np.random.Generator) -> Array:
    steps = generator.integers(-FURTHEST, FURTHEST + 1, 3)
    moved: Array = ndimage.shift(labels, steps, order=0)
    return moved


def _resized(labels: Array, classes: int, generator: np.random.Generator) -> Array:
    """Two voxels more at most, or one less."""
    steps = int(generator.integers(1, 3))
    if generator.random() < 0.5:
        kept = ndimage.binary_erosion(labels > 0)
        return np.where(kept, labels, 0).astype(labels.dtype)
    grown = ndimage.binary_dilation(labels > 0, iterations=steps)
    nearest = ndimage.distance_transform_edt(
        labels == 0, return_distances=False, return_indices=True
    )
    return np.where(grown, labels[tuple(nearest)], 0).astype(labels.dtype)


def _mistaken(labels: Array, classes: int, generator: np.random.Generator) -> Array:
    """A ball around a voxel of a label gets another class; background alone has no such voxel."""
    voxels = np.argwhere(labels > 0)
    if not len(voxels):
        return labels
    length = float(np.ptp(voxels, axis=0).max() + 1)
    centre = voxels[generator.integers(len(voxels))] + generator.normal(0, 2, 3)
    radius = generator.uniform(*BALL) * length / 2
    x, y, z = ((np.arange(n) - c) ** 2 for n, c in zip(labels.shape, centre, strict=True))
    ball = x[:, None, None] + y[:, None] + z <= radius**2
    changed: Array = np.where(ball, generator.integers(classes), labels).astype(labels.dtype)
    return changed
