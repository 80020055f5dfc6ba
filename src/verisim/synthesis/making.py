"""One case out of noise: its box, its label map, its image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from verisim.diffusion import Denoiser, Generation, Guided, Preconditioned, Within
from verisim.networks.attributes import beside, told
from verisim.networks.case_diffusion import CaseDenoiser, CaseGenerator
from verisim.networks.unet import Triple
from verisim.precision import reduced_precision
from verisim.progress import SILENT, Part, Progress
from verisim.synthesis.preview import nobody

BACK_PROJECTIONS = 8
"""After so many the means over blocks differ by next to nothing."""


@dataclass(frozen=True)
class Request:
    """One case that is wanted.

    Args:
        seed: Decides it.
        labels: The label map that it shall have, (X, Y, Z) integers; None: one is made.
    """

    seed: int
    labels: Tensor | None = None


@dataclass(frozen=True)
class Making:
    """One case on the voxels of its box.

    Args:
        image: (C, X, Y, Z), of mean 0 and deviation 1.
        labels: (X, Y, Z), integers.
        evaluations: Of the network that makes the image.
    """

    image: Tensor
    labels: Tensor
    evaluations: int


Watcher = Callable[[Tensor], None]
"""Is shown an image, or the values of a label map, (X, Y, Z), while it becomes clean."""


class Maker(Protocol):
    """Whatever makes cases: diffusion, a StyleGAN, or nothing but chance."""

    @property
    def takes_labels(self) -> bool:
        """Whether a label map may be given."""

    def __call__(self, request: Request, progress: Progress = SILENT) -> Making:
        """One case.

        Args:
            request: What is wanted; the same request gives the same case.
            progress: Hears of every step; may cancel between two.
        """


@dataclass(frozen=True)
class DiffusionMaker:
    """A diffusion model of cases.

    Args:
        network: Its networks.
        generation: How they are asked.
        patch: The largest box.
        exact: Whether in single precision.
        watch: Is shown each guess.
    """

    network: CaseGenerator
    generation: Generation
    patch: Triple
    exact: bool = False
    watch: Watcher = nobody

    @property
    def takes_labels(self) -> bool:
        """See `Maker`."""
        return self.network.labels is not None

    def __call__(self, request: Request, progress: Progress = SILENT) -> Making:
        """See `Maker`."""
        generator = torch.Generator().manual_seed(request.seed)
        device = next(self.network.parameters()).device
        given = request.labels
        box = self.network.box(self.patch, generator) if given is None else given.shape
        place = placed(box, self.patch)
        inside = torch.zeros((1, 1, *self.patch), device=device)
        inside[(..., *place)] = 1
        single = torch.autocast(device.type, enabled=False)
        with torch.inference_mode(), single if self.exact else reduced_precision(device):
            if self.network.labels is None:
                return self._together(inside, place, generator, progress)
            masks = (
                self._labels(inside, generator, Part(progress, 0, 2, "labels"))
                if given is None
                else self._given(given, place) * inside
            )
            image = self._image(masks, inside, generator, Part(progress, 1, 2, "image"))
        labels = masks.argmax(dim=1)[0]
        evaluations = self._evaluations * self.generation.questions
        return Making(image[(0, slice(None), *place)], labels[place], evaluations)

    @property
    def _evaluations(self) -> int:
        """Of a denoiser for an image."""
        return self.generation.sampler(_nothing).evaluations(self.generation.steps)

    def _labels(self, inside: Tensor, generator: torch.Generator, progress: Progress) -> Tensor:
        """A new label map as masks (1, K, X, Y, Z) of 0 and 1."""
        network = self.network.labels
        assert network is not None, "asked only where labels come first"
        coarse = functional.avg_pool3d(inside, self.network.plan.coarse)
        steps = self.generation.label_steps
        guided = self._guided(network, self.generation.pull)
        denoiser = _Watched(guided, lambda clean: self.watch(clean[0].argmax(dim=0)))
        clean = self._sampled(denoiser, coarse, coarse, network.made, steps, generator, progress)
        return _masks(finer(clean, self.network.plan.coarse), inside)

    def _given(self, labels: Tensor, place: tuple[slice, slice, slice]) -> Tensor:
        whole = torch.zeros((1, *self.patch), dtype=torch.int64)
        whole[(0, *place)] = labels.long()
        masks = functional.one_hot(whole, self.network.classes).movedim(-1, 1)
        return masks.to(next(self.network.parameters()))

    def _image(
        self, masks: Tensor, inside: Tensor, generator: torch.Generator, progress: Progress
    ) -> Tensor:
        """The image (1, C, X, Y, Z) that goes with a label map."""
        network = self.network
        known, within = network.told(masks, inside)
        denoiser = self._guided(network.image, self.generation.guidance)
        if self.watch is not nobody:
            denoiser = _Watched(
                denoiser,
                lambda clean: self.watch(network.decoded(clean, masks, inside)[0, 0]),
                network.shown_every,
            )
        steps, made = self.generation.steps, network.image.made
        clean = self._sampled(denoiser, known, within, made, steps, generator, progress)
        return network.decoded(clean, masks, inside)

    def _together(
        self,
        inside: Tensor,
        place: tuple[slice, slice, slice],
        generator: torch.Generator,
        progress: Progress,
    ) -> Making:
        """Image and labels as channels of one picture."""
        network, steps = self.network.image, self.generation.steps
        guided = self._guided(network, self.generation.pull)
        denoiser = _Watched(guided, lambda clean: self.watch(clean[0, 0]))
        both = self._sampled(denoiser, inside, inside, network.made, steps, generator, progress)
        image, masks = both[:, : self.network.channels], both[:, self.network.channels :]
        labels = _masks(masks, inside).argmax(dim=1)[0]
        evaluations = self._evaluations * (1 if self.generation.pull == 1 else 2)
        return Making(image[(0, slice(None), *place)], labels[place], evaluations)

    def _guided(self, network: CaseDenoiser, scale: float) -> Denoiser:
        """A denoiser that follows what is known, but for the box, more than it learned to."""
        learned = Preconditioned(network, self.generation.noise)
        return Guided(learned, scale, network.nothing_but_box)

    def _sampled(
        self,
        denoiser: Denoiser,
        known: Tensor,
        inside: Tensor,
        made: int,
        steps: int,
        generator: torch.Generator,
        progress: Progress,
    ) -> Tensor:
        schedule = self.generation.noise
        noise = torch.randn((1, made, *inside.shape[2:]), generator=generator).to(inside)
        largest = schedule.sigma(torch.tensor(schedule.latest))
        sampler = self.generation.sampler(Within(denoiser, inside), generator)
        attributes = told(self.network.plan.attributes, self.generation.attributes)
        condition = beside(known, attributes[None])
        return sampler.sample(largest * noise * inside, condition, steps, progress=progress)


@dataclass(frozen=True)
class _Watched:
    """A denoiser of whose guesses each, or one of several, is shown to somebody."""

    denoiser: Denoiser
    show: Watcher
    every: int = 1
    turns: Iterator[int] = field(default_factory=count)

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        clean = self.denoiser(noisy, t, condition)
        if next(self.turns) % self.every == 0:
            self.show(clean)
        return clean


def placed(box: Sequence[int], patch: Sequence[int]) -> tuple[slice, slice, slice]:
    """Where a volume lies in its patch, as in training: in the middle."""
    starts = [side // 2 - n // 2 for n, side in zip(box, patch, strict=True)]
    x, y, z = (slice(start, start + n) for start, n in zip(starts, box, strict=True))
    return x, y, z


def finer(coarse: Tensor, step: Triple) -> Tensor:
    """Masks (B, K, X, Y, Z) whose means over blocks are (B, K, x, y, z).

    Interpolated alone, thin and pointed parts would lose a fifteenth of their volume: what is
    missing in the means is added, again and again (iterative back-projection; Irani 1991).

    Args:
        coarse: -1 outside to 1 inside.
        step: Voxels of a block along each axis.
    """
    scale = [float(side) for side in step]
    fine = functional.interpolate(coarse, scale_factor=scale, mode="trilinear")
    for _ in range(BACK_PROJECTIONS):
        missing = coarse - functional.avg_pool3d(fine, step)
        fine = fine + functional.interpolate(missing, scale_factor=scale, mode="trilinear")
    return fine


def _masks(likely: Tensor, inside: Tensor) -> Tensor:
    """The likeliest class of each voxel as masks of 0 and 1; beyond the box there is none."""
    chosen = functional.one_hot(likely.argmax(dim=1), likely.shape[1])
    return chosen.movedim(-1, 1).float() * inside


def _nothing(noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
    return noisy
