"""What a denoiser is, and the three things that its network may predict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
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


@dataclass(frozen=True)
class Preconditioned:
    """A network whose input and output have the same size at all noise (Karras 2022, table 1).

    D(x; σ) = c_skip x + c_out F(c_in x; t) with c_skip = σd²/(σ² + σd²), c_out = σ σd/√(σ² + σd²)
    and c_in = 1/√(σ² + σd²); data keeps its size, α = 1.

    Args:
        network: Takes x, t and the condition.
        schedule: The noise that it was trained with.
        deviation: Standard deviation of the data, σd.
    """

    network: nn.Module
    schedule: NoiseSchedule
    deviation: float = 1.0

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Denoiser`."""
        sigma = self.schedule.sigma(along(t, noisy))
        size = (sigma**2 + self.deviation**2).sqrt()
        predicted: Tensor = self.network(noisy / size, t, condition)
        skipped: Tensor = (self.deviation / size) ** 2 * noisy
        return skipped + sigma * self.deviation / size * predicted.float()


@dataclass(frozen=True)
class Guided:
    """Classifier-free guidance: D_u + g (D_c - D_u) (Ho and Salimans 2022, eq. 6).

    Args:
        denoiser: Knows the condition, and does without.
        scale: g; at 1 the condition counts as it did in training.
        dropped: The condition without what guides.
    """

    denoiser: Denoiser
    scale: float
    dropped: Callable[[Tensor], Tensor]

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Denoiser`."""
        if self.scale == 1:
            return self.denoiser(noisy, t, condition)
        both = torch.cat([condition, self.dropped(condition)])
        told, free = self.denoiser(noisy.repeat(2, 1, 1, 1, 1), t.repeat(2), both).chunk(2)
        return free + self.scale * (told - free)


@dataclass(frozen=True)
class Within:
    """A denoiser of what lies in a box; beyond it there is nothing.

    Args:
        denoiser: Guesses the data.
        inside: 1 in the box, 0 beyond, (B, 1, X, Y, Z).
    """

    denoiser: Denoiser
    inside: Tensor

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Denoiser`."""
        return self.denoiser(noisy * self.inside, t, condition) * self.inside


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
