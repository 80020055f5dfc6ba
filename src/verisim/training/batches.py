"""Batches of random patches: batch number k is the same whenever it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verisim.training.augmentation import Augmentation
from verisim.training.examples import Example
from verisim.volume import Array

FOREGROUND_SHARE = 1 / 3
"""Share of the patches that are centred on a label (Isensee 2021)."""


@dataclass(frozen=True)
class Batch:
    """What one optimizer step sees.

    Args:
        image: (B, C, X, Y, Z).
        label: (B, 1, X, Y, Z).
        within: (B, 1, X, Y, Z), 1 where the volume is; None: everywhere.
        attributes: (B, A), what is told of each case; None: nothing.
    """

    image: Tensor
    label: Tensor
    within: Tensor | None = None
    attributes: Tensor | None = None

    @property
    def inside(self) -> Tensor:
        """1 where the volume is, (B, 1, X, Y, Z)."""
        return torch.ones_like(self.image[:, :1]) if self.within is None else self.within


@dataclass(frozen=True)
class Batches:
    """Draws, crops and augments; a training resumed at step k sees what it would have seen.

    Args:
        examples: Preprocessed cases.
        batch_size: Patches a batch.
        augmentation: Random changes of a patch; knows its size.
        seed: With the number of the batch it decides everything.
    """

    examples: Sequence[Example]
    batch_size: int
    augmentation: Augmentation
    seed: int

    def __call__(self, step: int) -> Batch:
        """Batch number `step`."""
        return drawn(self._patch, self.batch_size, (self.seed, step))

    def _patch(self, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        example = self.examples[generator.integers(len(self.examples))]
        size = self.augmentation.drawn_size
        centre = _centre(example, self.augmentation.patch_size, generator)
        image = torch.tensor(crop(example.image, centre, size))
        label = torch.tensor(crop(example.label[np.newaxis], centre, size).astype(np.int16))
        return self.augmentation(image, label, int(generator.integers(2**31)))


def drawn(
    patch: Callable[[np.random.Generator], tuple[Tensor, Tensor]],
    count: int,
    seed: tuple[int, int],
) -> Batch:
    """So many patches.

    Args:
        patch: Draws an image (C, X, Y, Z) and its label (1, X, Y, Z).
        count: How many.
        seed: Of the training, and number of the batch: they decide everything.
    """
    generator = np.random.default_rng(seed)
    pairs = [patch(generator) for _ in range(count)]
    images, labels = zip(*pairs, strict=True)
    return Batch(torch.stack(images), torch.stack(labels))


def crop(array: Array, centre: Sequence[int], size: Sequence[int]) -> Array:
    """A box of an array (C, X, Y, Z) around a voxel, zero where the array ends.

    Only the box is read, since the array may be a file that is mapped into memory.
    """
    starts = [int(c) - side // 2 for c, side in zip(centre, size, strict=True)]
    bounds = [
        (max(0, start), min(n, start + side))
        for start, side, n in zip(starts, size, array.shape[1:], strict=True)
    ]
    inside = array[(slice(None), *(slice(low, max(low, high)) for low, high in bounds))]
    padding = [
        (low - start, side - (low - start) - n)
        for start, side, (low, _), n in zip(starts, size, bounds, inside.shape[1:], strict=True)
    ]
    cropped: Array = np.pad(inside, [(0, 0), *padding])
    return cropped


def _centre(
    example: Example, patch_size: Sequence[int], generator: np.random.Generator
) -> list[int]:
    """A voxel of a random label, or any place where the patch overlaps the volume fully."""
    present = sorted(example.places)
    if present and generator.random() < FOREGROUND_SHARE:
        voxels = example.places[int(generator.choice(present))]
        return [int(c) for c in voxels[generator.integers(len(voxels))]]
    return [
        n // 2 if n <= side else int(generator.integers(side // 2, n - side // 2))
        for n, side in zip(example.label.shape, patch_size, strict=True)
    ]
