"""From noise to data, a step at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor

from verisim.diffusion.denoiser import Denoiser, noise_of
from verisim.diffusion.schedule import NoiseSchedule
from verisim.errors import BadInput, Diverged
from verisim.progress import SILENT, Progress


@dataclass(frozen=True)
class Sampler(ABC):
    """Applies a denoiser again and again, with less noise each time.

    Args:
        denoiser: Guesses the data.
        schedule: The noise that it knows.
    """

    denoiser: Denoiser
    schedule: NoiseSchedule

    @abstractmethod
    def step(self, noisy: Tensor, t: Tensor, s: Tensor, condition: Tensor) -> Tensor:
        """x_s from x_t, with s < t: one time for all, as tensors without a shape."""

    def sample(
        self,
        noisy: Tensor,
        condition: Tensor,
        steps: int,
        start: float | None = None,
        progress: Progress = SILENT,
    ) -> Tensor:
        """Data from noise.

        Args:
            noisy: x at the start, (B, K, X, Y, Z): α of what is known before, plus σ ε; at the
                latest time just σ ε.
            condition: What is known, (B, C, X, Y, Z).
            steps: How many.
            start: The time of `noisy`; the latest of the schedule if None.
            progress: Hears of every step; may cancel between two.

        Raises:
            BadInput: No step.
            Diverged: Numbers that are none came out of a step.
        """
        if steps < 1:
            raise BadInput(f"{steps} steps lead nowhere.", "Ask for one step or more.")
        times = self.schedule.times(steps, start).to(noisy)
        for k in range(steps):
            progress.advance(k, steps, "steps")
            noisy = self.step(noisy, times[k], times[k + 1], condition)
            _check_finite(noisy, k, steps)
        progress.advance(steps, steps, "steps")
        return noisy

    def evaluations(self, steps: int) -> int:
        """How often the denoiser is asked in so many steps."""
        return steps

    def clean(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """The denoiser's guess at one time for all."""
        return self.denoiser(noisy, t.expand(len(noisy)), condition)


@dataclass(frozen=True)
class DDIM(Sampler):
    """Denoising diffusion implicit models (Song 2021, eq. 12 and 16); first order.

    Args:
        eta: Share of DDPM's noise that each step adds: 0 none, 1 all.
        generator: Of that noise.
    """

    eta: float = 0.0
    generator: torch.Generator | None = None

    def step(self, noisy: Tensor, t: Tensor, s: Tensor, condition: Tensor) -> Tensor:
        """See `Sampler`."""
        clean = self.clean(noisy, t, condition)
        noise = noise_of(clean, noisy, t, self.schedule)
        sigma = self.schedule.sigma(s)
        fresh = self.eta * self._added(t, s)
        moved = self.schedule.alpha(s) * clean + (sigma**2 - fresh**2).clamp(min=0).sqrt() * noise
        if not self.eta:
            return moved
        return moved + fresh * torch.randn(
            noisy.shape, generator=self.generator, dtype=noisy.dtype, device=noisy.device
        )

    def _added(self, t: Tensor, s: Tensor) -> Tensor:
        """Standard deviation of the posterior q(x_s | x_t, x_0) (Ho 2020, eq. 7)."""
        ratio = self.schedule.alpha(t) / self.schedule.alpha(s)
        before, after = self.schedule.sigma(t), self.schedule.sigma(s)
        return after / before * (before**2 - ratio**2 * after**2).clamp(min=0).sqrt()


@dataclass(frozen=True)
class DDPM(DDIM):
    """Ancestral sampling, as MedSegDiff has it (Ho 2020, algorithm 2)."""

    eta: float = 1.0


@dataclass(frozen=True)
class Heun(Sampler):
    """A step, then the mean of the slopes at both of its ends (Karras 2022, algorithm 1).

    It works on x/α against σ/α, and asks the denoiser twice a step, but for the last.
    """

    def evaluations(self, steps: int) -> int:
        """See `Sampler`."""
        return 2 * steps - 1

    def step(self, noisy: Tensor, t: Tensor, s: Tensor, condition: Tensor) -> Tensor:
        """See `Sampler`."""
        before, after = _ratio(self.schedule, t), _ratio(self.schedule, s)
        scaled = noisy / self.schedule.alpha(t)
        slope = noise_of(self.clean(noisy, t, condition), noisy, t, self.schedule)
        moved = scaled + (after - before) * slope
        if after > 0:
            there = moved * self.schedule.alpha(s)
            other = noise_of(self.clean(there, s, condition), there, s, self.schedule)
            moved = scaled + (after - before) * (slope + other) / 2
        return moved * self.schedule.alpha(s)


@dataclass(frozen=True)
class DPMSolver(Sampler):
    """DPM-Solver++ (2M): second order with one question a step (Lu 2022, algorithm 2).

    It remembers the last guess, so each sampling needs one of its own; `sample` begins anew.
    """

    _last: list[tuple[Tensor, Tensor]] = field(default_factory=list, repr=False)

    def sample(
        self,
        noisy: Tensor,
        condition: Tensor,
        steps: int,
        start: float | None = None,
        progress: Progress = SILENT,
    ) -> Tensor:
        """See `Sampler`."""
        self._last.clear()
        try:
            return super().sample(noisy, condition, steps, start, progress)
        finally:
            self._last.clear()

    def step(self, noisy: Tensor, t: Tensor, s: Tensor, condition: Tensor) -> Tensor:
        """See `Sampler`."""
        clean = self.clean(noisy, t, condition)
        before, after = _ratio(self.schedule, t), _ratio(self.schedule, s)
        guess = self._extrapolated(clean, before, after)
        self._last[:] = [(clean, before)]
        share = self.schedule.sigma(s) / self.schedule.sigma(t)
        # −(e^−h − 1) with h = λ_s − λ_t and λ = −ln(σ/α)
        return share * noisy + self.schedule.alpha(s) * (1 - after / before) * guess

    def _extrapolated(self, clean: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """The guess in the middle of the step; towards no noise at all the step is of infinite
        length in λ, and the last guess itself is the answer."""
        if not self._last or after == 0:
            return clean
        earlier, first = self._last[0]
        share = torch.log(before / after) / torch.log(first / before) / 2
        return (1 + share) * clean - share * earlier


def _ratio(schedule: NoiseSchedule, t: Tensor) -> Tensor:
    """σ/α: noise beside data."""
    return schedule.sigma(t) / schedule.alpha(t)


def _check_finite(noisy: Tensor, step: int, steps: int) -> None:
    if not torch.isfinite(noisy).all():
        raise Diverged(
            f"Step {step + 1} of {steps} gave numbers that are not finite.",
            "Ask for single precision, or for another number of steps.",
        )
