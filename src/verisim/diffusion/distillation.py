"""Many small steps of a teacher as one large step of a student (Salimans and Ho 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from verisim.diffusion.denoiser import Denoiser
from verisim.diffusion.sampler import DPMSolver
from verisim.diffusion.schedule import NoiseSchedule, along

SMALL_STEPS = 16
"""Of the teacher from noise to data: more change its cases by next to nothing."""

FEWEST_PARTS = 2
"""Of one step of the student: the second order needs two."""


@dataclass(frozen=True)
class Teacher:
    """A denoiser that goes in small steps where its student takes one large step.

    The small steps are those of DPM-Solver++: for as many questions Heun's method is five times
    as far from the exact path where a student takes four steps.

    Args:
        denoiser: Guesses the data; guidance, if any, is part of it.
        schedule: The noise that it knows.
        parts: Small steps for a large one.
    """

    denoiser: Denoiser
    schedule: NoiseSchedule
    parts: int

    @classmethod
    def of(cls, denoiser: Denoiser, schedule: NoiseSchedule, steps: int) -> Teacher:
        """The teacher of a student that takes so many steps."""
        return cls(denoiser, schedule, max(FEWEST_PARTS, round(SMALL_STEPS / steps)))

    def moved(self, noisy: Tensor, t: Tensor, s: Tensor, condition: Tensor) -> Tensor:
        """x_s from x_t in small steps, even in time.

        Args:
            noisy: x_t, (B, K, X, Y, Z).
            t: One time for all, without a shape.
            s: An earlier one.
            condition: What is known, (B, C, X, Y, Z).
        """
        sampler = DPMSolver(self.denoiser, self.schedule)
        # the last time is s itself: rounding would leave noise where there is none
        times = [t + (s - t) * (k / self.parts) for k in range(self.parts)] + [s]
        for before, after in pairwise(times):
            noisy = sampler.step(noisy, before, after, condition)
        return noisy

    def target(self, noisy: Tensor, t: Tensor, s: Tensor, condition: Tensor) -> Tensor:
        """What the student should guess at x_t, so that its one step ends where these do."""
        return landing(noisy, self.moved(noisy, t, s, condition), t, s, self.schedule)


def landing(noisy: Tensor, moved: Tensor, t: Tensor, s: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The guess x̂_0 with which one step of DDIM goes from x_t to x_s.

    x_s = α_s x̂_0 + σ_s (x_t − α_t x̂_0) / σ_t, solved for x̂_0 (Salimans and Ho 2022, appendix G).

    Args:
        noisy: x_t, (B, K, X, Y, Z).
        moved: x_s.
        t: Its time, above s.
        s: The earlier time.
        schedule: Of the noise.
    """
    t, s = along(t, noisy), along(s, noisy)
    share = schedule.sigma(s) / schedule.sigma(t)
    guess: Tensor = (moved - share * noisy) / (schedule.alpha(s) - share * schedule.alpha(t))
    return guess
