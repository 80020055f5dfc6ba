"""Samplers find the truth with a perfect denoiser, and converge as fast as they should."""

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from verisim.diffusion import DDIM, DDPM, Cosine, DPMSolver, Heun, Karras, Linear, NoiseSchedule
from verisim.diffusion.sampler import Sampler
from verisim.errors import BadInput, Cancelled, Diverged

SCHEDULES = [Cosine(), Linear(), Karras()]
NOTHING = torch.zeros(1)

schedules = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
samplers = pytest.mark.parametrize("sampler", [DDIM, DDPM, Heun, DPMSolver])


@dataclass
class Perfect:
    """Knows the truth, and counts how often it is asked."""

    truth: Tensor
    asked: int = 0

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        self.asked += 1
        return self.truth.expand_as(noisy)


@dataclass
class Normal:
    """The best guess where the data is normally distributed: the conditional mean."""

    schedule: NoiseSchedule
    mean: float = 0.7
    deviation: float = 0.4

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        alpha, sigma = self.schedule.alpha(t)[:, None], self.schedule.sigma(t)[:, None]
        variance = self.deviation**2
        weighted = self.mean * sigma**2 + alpha * variance * noisy
        return weighted / (sigma**2 + alpha**2 * variance)

    def carried(self, noisy: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """Where the probability flow carries x_t, exactly."""
        away = (noisy - self.schedule.alpha(t) * self.mean) / self._spread(t)
        return self.schedule.alpha(s) * self.mean + self._spread(s) * away

    def _spread(self, t: Tensor) -> Tensor:
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return torch.sqrt(alpha**2 * self.deviation**2 + sigma**2)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@samplers
@schedules
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_perfect_denoiser_gives_the_truth(
    sampler: type[Sampler], schedule: NoiseSchedule, steps: int
) -> None:
    truth = noise(1, 2, 3, 4, 5)
    found = sampler(Perfect(truth), schedule).sample(noise(3, 2, 3, 4, 5), NOTHING, steps)
    torch.testing.assert_close(found, truth.expand_as(found), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("sampler", "asked"), [(DDIM, 5), (DDPM, 5), (DPMSolver, 5), (Heun, 9)])
def test_a_sampler_asks_as_often_as_it_says(sampler: type[Sampler], asked: int) -> None:
    denoiser = Perfect(NOTHING)
    sampler(denoiser, Cosine()).sample(noise(1, 2), NOTHING, 5)
    assert denoiser.asked == asked


@pytest.mark.parametrize("schedule", [Cosine(), Linear()], ids=["Cosine", "Linear"])
@pytest.mark.parametrize(("sampler", "order"), [(DDIM, 1), (Heun, 2), (DPMSolver, 2)])
def test_the_error_falls_with_the_order_of_the_sampler(
    sampler: type[Sampler], order: int, schedule: NoiseSchedule
) -> None:
    # the last step to no noise at all is infinitely long where solvers measure, in log σ/α
    errors = [error(sampler(Normal(schedule), schedule), 0.8, 0.2, steps) for steps in (64, 128)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def error(sampler: Sampler, start: float, end: float, steps: int) -> float:
    """How far from the exact solution a sampler comes to its end."""
    assert isinstance(sampler.denoiser, Normal)
    times = torch.linspace(start, end, steps + 1, dtype=torch.float64)
    noisy = reached = noise(200, 1)
    for t, s in pairwise(times):
        reached = sampler.step(reached, t, s, NOTHING)
    return float((reached - sampler.denoiser.carried(noisy, times[0], times[-1])).abs().mean())


def test_without_added_noise_equal_starts_have_equal_ends() -> None:
    schedule = Cosine()
    ends = [DDIM(Normal(schedule), schedule).sample(noise(4, 1), NOTHING, 7) for _ in range(2)]
    torch.testing.assert_close(ends[0], ends[1], atol=0, rtol=0)


def test_ancestral_sampling_follows_its_generator() -> None:
    schedule = Cosine()

    def sampled(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        sampler = DDPM(Normal(schedule), schedule, generator=generator)
        return sampler.sample(noise(4, 1), NOTHING, 7)

    torch.testing.assert_close(sampled(1), sampled(1), atol=0, rtol=0)
    assert not torch.equal(sampled(1), sampled(2))


def test_ancestral_sampling_draws_from_the_distribution_of_the_data() -> None:
    schedule = Cosine()
    generator = torch.Generator().manual_seed(1)
    sampler = DDPM(Normal(schedule), schedule, generator=generator)
    drawn = sampler.sample(noise(20_000, 1), NOTHING, 100)
    assert float(drawn.mean()) == pytest.approx(0.7, abs=0.02)
    assert float(drawn.std()) == pytest.approx(0.4, abs=0.02)


@samplers
def test_a_sampler_can_be_stopped_between_two_steps(sampler: type[Sampler]) -> None:
    class Impatient:
        def advance(self, done: int, total: int, message: str = "") -> None:
            if done == 2:
                raise Cancelled("Stopped.")

    denoiser = Perfect(NOTHING)
    with pytest.raises(Cancelled):
        sampler(denoiser, Cosine()).sample(noise(1, 1), NOTHING, 5, progress=Impatient())
    assert denoiser.asked == (4 if sampler is Heun else 2)


@samplers
@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_are_refused(sampler: type[Sampler], steps: int) -> None:
    with pytest.raises(BadInput, match=f"{steps} steps"):
        sampler(Perfect(NOTHING), Cosine()).sample(noise(1, 1), NOTHING, steps)


@samplers
def test_a_step_that_diverges_is_named(sampler: type[Sampler]) -> None:
    lost = Perfect(torch.tensor(math.nan))
    with pytest.raises(Diverged, match="Step 1 of 3"):
        sampler(lost, Cosine()).sample(noise(1, 1), NOTHING, 3)


def test_a_solver_begins_anew_with_each_sampling() -> None:
    schedule = Cosine()
    solver = DPMSolver(Normal(schedule), schedule)
    first = solver.sample(noise(4, 1), NOTHING, 5)
    torch.testing.assert_close(solver.sample(noise(4, 1), NOTHING, 5), first, atol=0, rtol=0)
