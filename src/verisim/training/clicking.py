"""What a click network learns from: starts that are wrong, and a reader who clicks into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from verisim.networks.clicks import click_maps, one_hot_channels
from verisim.precision import reduced_precision
from verisim.training.augmentation import Augmentation
from verisim.training.batches import Batch, crop, drawn
from verisim.training.readers import Said, clicks_into
from verisim.training.starts import Begun, start_of
from verisim.volume import Array

MOST_CLICKS = 10
"""In one image of a training."""

ROUNDS = (0.4, 0.3, 0.3)
"""Chances that the clicks of a step are placed at once, or in two or three rounds, between which
the network answers (iterative sampling; Sofiiuk 2022, section 3.3)."""


@dataclass(frozen=True)
class ClickBatches:
    """Patches of cases with a bad start each; batch number k is the same whenever it is asked for.

    Args:
        cases: With their starts.
        batch_size: Patches a batch.
        augmentation: Random changes of a patch; knows its size.
        classes: K, background included.
        seed: With the number of the batch it decides everything.
    """

    cases: Sequence[Begun]
    batch_size: int
    augmentation: Augmentation
    classes: int
    seed: int

    def __call__(self, step: int) -> Batch:
        """Batch number `step`; the last K channels of its image are the start."""
        return drawn(self._patch, self.batch_size, (self.seed, step))

    def _patch(self, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        case = self.cases[generator.integers(len(self.cases))]
        example, size = case.example, self.augmentation.drawn_size
        both = np.stack([example.label, start_of(case, self.classes, generator)])
        centre = centre_of(example.label, self.augmentation.patch_size, generator)
        image = torch.tensor(crop(example.image, centre, size))
        labels = torch.tensor(crop(both, centre, size).astype(np.int16))
        seed = int(generator.integers(2**31))
        image, labels = self.augmentation(image, labels, seed)
        start = torch.from_numpy(one_hot_channels(labels[1].numpy(), self.classes))
        return torch.cat([image, start]), labels[:1]


def centre_of(
    label: Array, patch_size: Sequence[int], generator: np.random.Generator
) -> list[int]:
    """The middle of a small case; of a large one a voxel of its labels, so that all is inside."""
    voxels = np.argwhere(label > 0)
    middle = np.array(label.shape) // 2
    at = voxels[generator.integers(len(voxels))] if len(voxels) else middle
    return [
        n // 2 if n <= side else int(np.clip(place, side // 2, n - side // 2))
        for n, side, place in zip(label.shape, patch_size, at, strict=True)
    ]


@dataclass(frozen=True)
class Clicking:
    """The right label map, of an image, a start and clicks into what is wrong.

    Args:
        loss: Of logits, or of a list of them at falling resolutions, and labels.
        classes: K, background included.
        spacing_mm: Of the patches.
        spread_mm: Of the network's clicks.
        seed: With the number of the step it decides the clicks.
    """

    loss: nn.Module
    classes: int
    spacing_mm: tuple[float, float, float]
    spread_mm: float
    seed: int

    def __call__(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """See `Objective`."""
        generator = np.random.default_rng((self.seed, step))
        device = next(network.parameters()).device
        counts = generator.integers(0, MOST_CLICKS + 1, len(batch.image))
        rounds = 1 + int(generator.choice(len(ROUNDS), p=ROUNDS))
        clicks: list[list[Said]] = [[] for _ in counts]
        answers = batch.image[:, -self.classes :].argmax(dim=1)
        for k in range(rounds):
            if k and counts.any():
                with torch.no_grad():
                    answers = self._logits(network, batch, clicks, device)[0].argmax(1).cpu()
            for own, count, answer, truth in zip(
                clicks, counts, answers, batch.label, strict=True
            ):
                share = count * (k + 1) // rounds - count * k // rounds
                truly = truth[0].numpy()
                own.extend(clicks_into(answer.numpy(), truly, self.classes, share, generator))
        levels = self._logits(network, batch, clicks, device)
        loss: Tensor = self.loss(levels, batch.label.to(device))
        return loss

    def _logits(
        self,
        network: nn.Module,
        batch: Batch,
        clicks: Sequence[Sequence[Said]],
        device: torch.device,
    ) -> list[Tensor]:
        """At falling resolutions, the finest first."""
        maps = [torch.from_numpy(self.maps(one, batch.image.shape[2:])) for one in clicks]
        seen = torch.cat([batch.image, torch.stack(maps)], dim=1).to(device)
        with reduced_precision(device):
            found = network(seen)
        return found if isinstance(found, list) else [found]

    def maps(self, clicks: Sequence[Said], shape: Sequence[int]) -> npt.NDArray[np.float32]:
        """The channels of some clicks, (K, X, Y, Z)."""
        places = np.array([one.voxel for one in clicks], float).reshape(-1, 3)
        says = np.array([one.says for one in clicks], np.int8).reshape(-1, self.classes)
        return click_maps(places, says, shape, self.spacing_mm, self.spread_mm)
