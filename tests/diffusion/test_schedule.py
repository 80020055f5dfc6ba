"""Schedules begin with the data and end with noise; what networks predict can be turned round."""

import pytest
import torch

from verisim.diffusion import (
    Cosine,
    Karras,
    Linear,
    NetworkDenoiser,
    NoiseSchedule,
    Parameterization,
    clean_of,
    noise_of,
    target_of,
)

schedules = pytest.mark.parametrize(
    "schedule", [Cosine(), Linear(), Karras()], ids=lambda s: type(s).__name__
)
parameterizations = pytest.mark.parametrize("kind", ["data", "noise", "velocity"])
TIMES = torch.linspace(0, 1, 101, dtype=torch.float64)


@schedules
def test_noise_grows_from_nothing(schedule: NoiseSchedule) -> None:
    ratio = schedule.sigma(TIMES) / schedule.alpha(TIMES)
    assert ratio[0] == 0
    assert (ratio.diff() > 0).all()
    assert ratio[-1] > 50


@pytest.mark.parametrize("schedule", [Cosine(), Linear()], ids=["Cosine", "Linear"])
def test_variance_is_preserved(schedule: NoiseSchedule) -> None:
    total = schedule.alpha(TIMES) ** 2 + schedule.sigma(TIMES) ** 2
    torch.testing.assert_close(total, torch.ones_like(total))


def test_the_linear_schedule_is_that_of_ddpm() -> None:
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    discrete = torch.cumprod(1 - betas, 0).sqrt()
    times = torch.arange(1, 1001, dtype=torch.float64) / 1000
    torch.testing.assert_close(Linear().alpha(times), discrete, atol=2e-3, rtol=0)


def test_noise_levels_are_those_of_karras() -> None:
    steps = 18
    i = torch.arange(steps, dtype=torch.float64)
    expected = (
        80 ** (1 / 7) + i / (steps - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))
    ) ** 7  # Karras 2022, eq. 5
    times = torch.linspace(1, 0, steps, dtype=torch.float64).clamp(min=1e-12)
    torch.testing.assert_close(Karras().sigma(times), expected)


@schedules
def test_times_fall_from_the_latest_to_the_data(schedule: NoiseSchedule) -> None:
    times = schedule.times(5)
    assert len(times) == 6
    assert times[0] == pytest.approx(schedule.latest)
    assert times[-1] == 0
    assert schedule.times(2, start=0.3).tolist() == pytest.approx([0.3, 0.15, 0])


@schedules
@parameterizations
def test_what_a_network_should_predict_leads_back_to_the_data(
    schedule: NoiseSchedule, kind: Parameterization
) -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = (
        torch.randn(3, 2, 4, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    t = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    noisy = schedule.noised(clean, noise, t)
    target = target_of(clean, noise, t, schedule, kind)
    torch.testing.assert_close(clean_of(target, noisy, t, schedule, kind), clean)
    torch.testing.assert_close(noise_of(clean, noisy, t, schedule), noise)


@parameterizations
def test_a_network_becomes_a_denoiser(kind: Parameterization) -> None:
    schedule = Cosine()
    clean, noise = torch.ones(2, 1, 3, 3, 3), torch.full((2, 1, 3, 3, 3), 0.5)
    t = torch.tensor([0.3, 0.6])

    class Knowing(torch.nn.Module):
        def forward(
            self, noisy: torch.Tensor, t: torch.Tensor, condition: torch.Tensor
        ) -> torch.Tensor:
            return target_of(clean, noise, t, schedule, kind) + 0 * condition

    denoiser = NetworkDenoiser(Knowing(), schedule, kind)
    found = denoiser(schedule.noised(clean, noise, t), t, torch.zeros(1))
    torch.testing.assert_close(found, clean)
