"""What a denoiser is, and the three things that its network may predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor, nn

from verisim.diffusion.schedule import NoiseSchedule, along

Parameterization = Literal["data", "noise", "velocity"]
"""x_0, ε, or v = α ε − σ x_0 (Salimans and Ho 2022)."""


class Denoiser(Protocol):
    """Guesses the data under the noise."""

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """The mean of the data.

        Args:
            noisy: x_t, (B, K, X, Y, Z).
            t: Time of each, (B,).
            condition: What is known, e.g. the image (B, C, X, Y, Z).

        Returns:
            x̂_0, (B, K, X, Y, Z).
        """


@dataclass(frozen=True)
class NetworkDenoiser:
    """A network that predicts data, noise or velocity.

    Args:
        network: Takes x_t, t and the condition.
        schedule: The noise that it was trained with.
        parameterization: What it predicts.
    """

    network: nn.Module
    schedule: NoiseSchedule
    parameterization: Parameterization = "data"

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Denoiser`."""
        predicted: Tensor = self.network(noisy, t, condition)
        return clean_of(predicted, noisy, t, self.schedule, self.parameterization)


def clean_of(
    predicted: Tensor,
    noisy: Tensor,
    t: Tensor,
    schedule: NoiseSchedule,
    parameterization: Parameterization,
) -> Tensor:
    """x̂_0 of what a network predicted (Salimans and Ho 2022, appendix D)."""
    alpha, sigma = schedule.alpha(along(t, noisy)), schedule.sigma(along(t, noisy))
    if parameterization == "noise":
        return (noisy - sigma * predicted) / alpha
    if parameterization == "velocity":
        # with α² + σ² = 1 this is α x_t − σ v
        return (alpha * noisy - sigma * predicted) / (alpha**2 + sigma**2)
    return predicted


def target_of(
    clean: Tensor,
    noise: Tensor,
    t: Tensor,
    schedule: NoiseSchedule,
    parameterization: Parameterization,
) -> Tensor:
    """What a network should predict for data and noise that are known."""
    if parameterization == "noise":
        return noise
    if parameterization == "velocity":
        t = along(t, clean)
        return schedule.alpha(t) * noise - schedule.sigma(t) * clean
    return clean


def noise_of(clean: Tensor, noisy: Tensor, t: Tensor, schedule: NoiseSchedule) -> Tensor:
    """ε̂ of a guess of the data; t is above 0."""
    t = along(t, noisy)
    return (noisy - schedule.alpha(t) * clean) / schedule.sigma(t)
