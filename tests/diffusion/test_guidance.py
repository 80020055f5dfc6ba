"""Preconditioning and guidance by their formulas."""

import pytest
import torch
from torch import Tensor, nn

from verisim.diffusion import DPMSolver, Generation, Guided, Karras, Preconditioned
from verisim.errors import BadInput


class Told(nn.Module):
    """Predicts a number that is given to it, and remembers what it was shown."""

    def __init__(self, predicted: float) -> None:
        super().__init__()
        self.predicted = predicted
        self.shown: list[Tensor] = []

    def forward(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        self.shown.append(noisy)
        return torch.full_like(noisy, self.predicted)


@pytest.mark.parametrize("sigma", [0.01, 0.5, 3.0, 60.0])
@pytest.mark.parametrize("deviation", [1.0, 0.5])
def test_preconditioning_is_that_of_the_paper(sigma: float, deviation: float) -> None:
    """Karras 2022, table 1, written out."""
    network, schedule = Told(0.7), Karras()
    x = torch.randn(2, 1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    t = schedule.time(torch.tensor([sigma, sigma]))
    found = Preconditioned(network, schedule, deviation)(x, t, x)
    skip = deviation**2 / (sigma**2 + deviation**2)
    out = sigma * deviation / (sigma**2 + deviation**2) ** 0.5
    torch.testing.assert_close(found, skip * x + out * 0.7, rtol=1e-4, atol=1e-4)
    inside = x / (sigma**2 + deviation**2) ** 0.5
    torch.testing.assert_close(network.shown[0], inside, rtol=1e-4, atol=1e-4)


def test_what_the_network_sees_has_the_size_of_1_at_all_noise() -> None:
    network, schedule = Told(0.0), Karras()
    generator = torch.Generator().manual_seed(1)
    for sigma in (0.05, 1.0, 40.0):
        data, noise = torch.randn((2, 1, 1, 16, 16, 16), generator=generator)
        t = schedule.time(torch.tensor([sigma]))
        Preconditioned(network, schedule)(data + sigma * noise, t, data)
        assert network.shown[-1].std().item() == pytest.approx(1.0, abs=0.05)


def test_a_time_is_that_of_its_noise() -> None:
    times = torch.linspace(0.01, 1, 20)
    schedule = Karras()
    torch.testing.assert_close(schedule.time(schedule.sigma(times)), times, rtol=1e-4, atol=1e-4)


def _told(noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
    return condition + 0 * noisy


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 3.0), (0.0, 0.5), (2.0, 5.5)])
def test_guidance_goes_from_without_to_with_and_beyond(scale: float, expected: float) -> None:
    """Ho and Salimans 2022, eq. 6."""
    x = torch.zeros(1, 1, 2, 2, 2)
    guided = Guided(_told, scale, dropped=lambda known: torch.full_like(known, 0.5))
    found = guided(x, torch.ones(1), torch.full_like(x, 3.0))
    torch.testing.assert_close(found, torch.full_like(x, expected))


def test_a_perfect_denoiser_of_generation_gives_the_truth() -> None:
    truth = torch.randn(1, 2, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    generation = Generation(steps=4)
    sampler = generation.sampler(lambda noisy, t, known: truth.expand(noisy.shape))
    assert isinstance(sampler, DPMSolver)
    torch.testing.assert_close(sampler.sample(80 * torch.randn(truth.shape), truth, 4), truth)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"label_steps": -1}, {"guidance": -0.1}, {"guidance": float("nan")}],
)
@pytest.mark.parametrize("seed", [0, -1])
def test_what_cannot_be_generated_is_refused(wrong: dict[str, float], seed: int) -> None:
    with pytest.raises(BadInput):
        Generation(**{**wrong, "seed": seed})  # type: ignore[arg-type]  # wrong on purpose
