"""Batches of whole cases, laid into a patch of one size: batch number k is always the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from verisim.training.batches import Batch, crop
from verisim.training.examples import Example
from verisim.training.told import NOTHING, Told
from verisim.volume import Array

DEFORMED = 0.5
"""Share of the cases that are turned and zoomed a little."""

MOST_DEGREES, MOST_ZOOM = 5.0, 0.05
"""By how much: what differs more is not what the site's cases look like."""


@dataclass(frozen=True)
class CaseBatches:
    """Draws cases and lays each into the middle of a patch; what lies beyond is marked.

    Args:
        examples: Preprocessed cases.
        batch_size: Cases a batch.
        patch_size: Spatial shape; 1 along an axis: one slice of the case, anywhere.
        classes: K, background included.
        mirrored_axes: Along which half of the cases are mirrored.
        seed: With the number of the batch it decides everything.
        changed: Whether cases are mirrored and deformed at all.
        told: What is told of the cases.
    """

    examples: Sequence[Example]
    batch_size: int
    patch_size: tuple[int, int, int]
    classes: int
    mirrored_axes: tuple[int, ...]
    seed: int
    changed: bool = True
    told: Told = NOTHING

    def __call__(self, step: int) -> Batch:
        """Batch number `step`."""
        generator = np.random.default_rng((self.seed, step))
        drawn = [self._case(generator) for _ in range(self.batch_size)]
        images, labels, inside, told = (torch.stack(one) for one in zip(*drawn, strict=True))
        return Batch(images, labels, inside, told)

    def _case(self, generator: np.random.Generator) -> tuple[Tensor, ...]:
        """Image, label, where the volume is, and what is told of it."""
        example = self.examples[generator.integers(len(self.examples))]
        image, label = self._slice(example, generator)
        if self.changed:
            image, label = self._mirrored(image, label, generator)
            image, label = self._deformed(image, label, generator)
        centre = [n // 2 for n in label.shape[1:]]
        box = np.ones_like(label, np.float32)
        laid = [crop(array, centre, self.patch_size) for array in (image, label, box)]
        found = [torch.from_numpy(np.ascontiguousarray(one)) for one in laid]
        told = self.told.of(example.name)
        return found[0].float(), found[1].to(torch.int16), found[2], told

    def _slice(self, example: Example, generator: np.random.Generator) -> tuple[Array, Array]:
        """Image (C, X, Y, Z) and label (1, X, Y, Z); along a side of 1 a random slice of them."""
        place: list[slice] = []
        for side, n in zip(self.patch_size, example.label.shape, strict=True):
            first = int(generator.integers(n)) if side == 1 else 0
            place.append(slice(first, first + 1) if side == 1 else slice(None))
        return example.image[(slice(None), *place)], example.label[tuple(place)][np.newaxis]

    def _mirrored(
        self, image: Array, label: Array, generator: np.random.Generator
    ) -> tuple[Array, Array]:
        axes = [axis + 1 for axis in self.mirrored_axes if generator.random() < 0.5]
        return np.flip(image, axes), np.flip(label, axes)

    def _deformed(
        self, image: Array, label: Array, generator: np.random.Generator
    ) -> tuple[Array, Array]:
        """Turned and zoomed within its own box, which stays as it is."""
        if generator.random() >= DEFORMED:
            return image, label
        flat = [n == 1 for n in image.shape[1:]]
        theta = torch.from_numpy(_affine(image.shape[1:], flat, generator))[None].float()
        masks = functional.one_hot(torch.tensor(label[0].astype(np.int64)), self.classes)
        both = torch.cat([torch.tensor(image.copy()), masks.movedim(-1, 0).float()])[None]
        grid = functional.affine_grid(theta, list(both.shape), align_corners=False)
        moved = functional.grid_sample(both, grid, padding_mode="border", align_corners=False)[0]
        channels = len(image)
        turned = moved[channels:].argmax(dim=0, keepdim=True)
        return moved[:channels].numpy(), turned.numpy().astype(label.dtype)


def _affine(
    shape: Sequence[int], flat: Sequence[bool], generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """A small turn and zoom (3, 4) in torch's coordinates: -1 to 1 along each axis, last first."""
    turned = np.eye(3)
    for axis in range(3):
        angle = generator.uniform(-1, 1) * MOST_DEGREES * pi / 180
        one, other = (k for k in range(3) if k != axis)
        if flat[one] or flat[other]:
            continue
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        turned = turn @ turned
    turned *= 1 + generator.uniform(-1, 1) * MOST_ZOOM
    half = np.array(shape, float)
    normed = turned * half[None, :] / half[:, None]
    return np.concatenate([normed[::-1, ::-1], np.zeros((3, 1))], axis=1)
