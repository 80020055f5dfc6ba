"""MedSegDiff asked as any other network: patches in, logits of the mean of its samples out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import torch
from torch import Tensor, nn

from verisim.diffusion import NoiseSchedule, Sampling, clean_of
from verisim.networks.averaged import mirror_images
from verisim.networks.medsegdiff import Looked, MaskDenoiser
from verisim.progress import SILENT, Part, Progress, Together

SMALLEST = 1e-6
"""Probabilities below this are as good as none; their logarithm must stay a number."""

TOGETHER = {"cpu": 2**17, "cuda": 2**22}
"""Voxels of samples that go through the network together."""

IN_QUESTION = 0.01
"""A voxel whose mean probability of background is this far from 0 and 1 is in question."""


@dataclass(frozen=True)
class Samples:
    """What was drawn of some patches.

    Args:
        probabilities: (B, S, K, X, Y, Z), or (S, K, X, Y, Z) of one.
        evaluations: Of the network, each for one sample.
    """

    probabilities: Tensor
    evaluations: int


class MaskSampler(nn.Module):
    """A denoiser of masks, and how it is asked.

    Args:
        denoiser: The network.
        sampling: How masks come out of noise.
        mirrored_axes: Spatial axes, 0 for x: samples take turns among the mirror images.
    """

    def __init__(
        self, denoiser: MaskDenoiser, sampling: Sampling, mirrored_axes: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.sampling = sampling
        self.flips = mirror_images(mirrored_axes)

    def asked(self, sampling: Sampling, mirrored_axes: Sequence[int] = ()) -> MaskSampler:
        """The same network, asked in another way."""
        return MaskSampler(self.denoiser, sampling, mirrored_axes).train(self.training)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, C, X, Y, Z) to logits (B, K, X, Y, Z) of the mean of the samples."""
        return self.samples(patches).probabilities.mean(dim=1).clamp(min=SMALLEST).log()

    def samples(
        self,
        patches: Tensor,
        starts: Sequence[Sequence[int]] = (),
        progress: Progress = SILENT,
    ) -> Samples:
        """Every sample of every patch.

        Args:
            patches: (B, C, X, Y, Z), or with probabilities of every label behind the image's
                channels: an answer that every sample starts from, with noise.
            starts: Where each lies in its volume: where two of them overlap, a sample begins with
                the same noise in both.
            progress: Hears of every step of every sample; may cancel between two.

        Raises:
            Diverged: Numbers that are none came out of a step.
        """
        places = starts or [(0,) * (patches.ndim - 2)] * len(patches)
        count = len(patches)
        found = [
            self._of(patch[None], place, Part(progress, k, count, "patch"))
            for k, (patch, place) in enumerate(zip(patches, places, strict=True))
        ]
        probabilities = torch.stack([one.probabilities for one in found])
        return Samples(probabilities, sum(one.evaluations for one in found))

    def _of(self, patch: Tensor, start: Sequence[int], progress: Progress) -> Samples:
        """All samples of one patch (1, C, X, Y, Z)."""
        wanted, image = self.sampling.samples, patch[:, : self.denoiser.channels]
        begin = self._begin(patch[:, self.denoiser.channels :])
        guesses = [self._guess(image, flip) for flip in self.flips[:wanted]]
        found: list[Tensor] = []
        while len(found) < wanted:
            numbers = range(len(found), min(wanted, len(found) + self._together(image)))
            part = Together(progress, numbers.start, len(numbers), wanted)
            found += self._drawn(guesses, begin, start, numbers, part)
            if self._has_settled(found, len(numbers)):
                break
        # where the mean has settled, what was drawn stands for what was not
        probabilities = torch.stack([found[k % len(found)] for k in range(wanted)])
        sampler, steps = self.sampling.sampler(guesses[0]), self.sampling.steps
        return Samples(probabilities, len(found) * sampler.evaluations(steps))

    def _guess(self, image: Tensor, flip: tuple[int, ...]) -> _Guess:
        mirrored = image.flip(flip)
        return _Guess(self.denoiser, self.sampling, self.denoiser.look(mirrored), mirrored, flip)

    def _together(self, image: Tensor) -> int:
        if self.sampling.stochastic or self.sampling.settled:
            return 1
        room = TOGETHER.get(image.device.type, TOGETHER["cpu"])
        return max(1, room // prod(image.shape[2:]))

    def _drawn(
        self,
        guesses: Sequence[_Guess],
        begin: _Begin,
        start: Sequence[int],
        numbers: range,
        progress: Progress,
    ) -> list[Tensor]:
        """Samples number so and so, as probabilities (K, X, Y, Z), each of its mirror image."""
        found: dict[int, Tensor] = {}
        turns = [range(k, numbers.stop, len(guesses)) for k in numbers[: len(guesses)]]
        for turn in turns:
            guess = guesses[turn[0] % len(guesses)]
            part = Together(progress, turn[0] - numbers[0], len(turn), len(numbers))
            drawn = self._of_one_image(guess, begin, start, turn, part)
            found |= zip(turn, drawn, strict=True)
        return [found[k] for k in numbers]

    def _of_one_image(
        self,
        guess: _Guess,
        begin: _Begin,
        start: Sequence[int],
        numbers: range,
        progress: Progress,
    ) -> Tensor:
        """Probabilities (S, K, X, Y, Z) of samples of one mirror image, turned back."""
        noise = torch.stack(
            [noise_at(begin.shape, self.sampling.seed, k, start) for k in numbers]
        ).to(guess.image.device)
        generator = _generator(self.sampling.seed, numbers[0], guess.image.device)
        sampler = self.sampling.sampler(guess, generator)
        # the noise belongs to places: it is mirrored with them
        noisy = begin.noised(noise, self.sampling.noise).flip(guess.flip)
        clean = sampler.sample(noisy, guess.image, self.sampling.steps, begin.time, progress)
        return _probabilities(clean.flip(guess.flip))

    def _begin(self, prior: Tensor) -> _Begin:
        """Where samples begin: at the latest time, or from what is believed of (1, K - 1, …)."""
        shape = (self.denoiser.classes, *prior.shape[2:])
        if not prior.shape[1]:
            return _Begin(shape, self.sampling.noise.latest)
        background = 1 - prior.sum(dim=1, keepdim=True)
        masks = 2 * torch.cat([background, prior], dim=1) - 1
        return _Begin(shape, self.sampling.start, masks)

    def _has_settled(self, found: Sequence[Tensor], fresh: int) -> bool:
        before = found[:-fresh]
        if not self.sampling.settled or not before:
            return False
        mean, earlier = torch.stack(list(found)).mean(0), torch.stack(list(before)).mean(0)
        asked = (mean[0] > IN_QUESTION) & (mean[0] < 1 - IN_QUESTION)
        moved = (mean - earlier).abs().amax(dim=0)[asked]
        return not moved.numel() or float(moved.mean()) < self.sampling.settled


@dataclass(frozen=True)
class _Begin:
    """Where the samples of a patch begin.

    Args:
        shape: Of one, (K, X, Y, Z).
        time: Of the schedule.
        masks: What is believed before, -1 to 1, (1, K, X, Y, Z); None: nothing.
    """

    shape: tuple[int, ...]
    time: float
    masks: Tensor | None = None

    def noised(self, noise: Tensor, schedule: NoiseSchedule) -> Tensor:
        """x at that time, (S, K, X, Y, Z)."""
        time = torch.tensor(self.time, device=noise.device)
        noisy = schedule.sigma(time) * noise
        return noisy if self.masks is None else noisy + schedule.alpha(time) * self.masks


@dataclass(frozen=True)
class _Guess:
    """The denoiser of one mirror image of a patch, looked at once for all samples and steps."""

    network: MaskDenoiser
    sampling: Sampling
    seen: tuple[Looked, ...]
    image: Tensor
    flip: tuple[int, ...]

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        predicted = self.network(noisy, t, condition, self.seen).float()
        return clean_mask(predicted, noisy, t, self.sampling)


def clean_mask(predicted: Tensor, noisy: Tensor, t: Tensor, sampling: Sampling) -> Tensor:
    """The guess of a mask, -1 outside and 1 inside each class, of what a network predicted.

    What predicts the data predicts logits: their softmax is a mask of any number of classes.
    """
    if sampling.parameterization == "data":
        return 2 * predicted.softmax(dim=1) - 1
    clean = clean_of(predicted, noisy, t, sampling.noise, sampling.parameterization)
    return clean.clamp(-1, 1)


def noise_at(shape: Sequence[int], seed: int, number: int, start: Sequence[int]) -> Tensor:
    """The noise that sample `number` begins with where a patch begins, (K, X, Y, Z).

    It repeats itself after the length of a patch, so that patches which overlap share it there.
    """
    tile = _tile(tuple(shape), seed, number)
    shifts = [-(place % side) for place, side in zip(start, shape[1:], strict=True)]
    return tile.roll(shifts, dims=tuple(range(1, len(shape)))) if any(shifts) else tile


@lru_cache(maxsize=16)
def _tile(shape: tuple[int, ...], seed: int, number: int) -> Tensor:
    return torch.randn(shape, generator=_generator(seed, number, "cpu"))


def _generator(seed: int, number: int, device: torch.device | str) -> torch.Generator:
    """Random numbers of one sample, whichever samples go with it."""
    return torch.Generator(device).manual_seed(seed * 100_003 + number)


def _probabilities(clean: Tensor) -> Tensor:
    """Masks of -1 to 1, (S, K, X, Y, Z), as probabilities that sum to 1 over K."""
    inside = ((clean + 1) / 2).clamp(min=SMALLEST, max=1)
    return inside / inside.sum(dim=1, keepdim=True)
