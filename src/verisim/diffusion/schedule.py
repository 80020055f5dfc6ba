"""How much of a picture is left, and how much noise there is, at each time of a diffusion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor


class NoiseSchedule(ABC):
    """x_t = α_t x_0 + σ_t ε with ε ~ N(0, I); t runs from 0, the data, to 1, the noise."""

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """How much of the data is left at times t."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise at times t; 0 at t = 0."""

    @property
    def latest(self) -> float:
        """Where sampling starts: the last time at which something of the data is left."""
        return 1.0

    def noised(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Data (B, …) at times t (B,)."""
        t = along(t, clean)
        return self.alpha(t) * clean + self.sigma(t) * noise

    def times(self, steps: int, start: float | None = None) -> Tensor:
        """The times (steps + 1,) of a sampler, evenly from the latest, or from `start`, to 0."""
        return torch.linspace(self.latest if start is None else start, 0, steps + 1)


@dataclass(frozen=True)
class Cosine(NoiseSchedule):
    """α_t = cos(πt/2), σ_t = sin(πt/2) (Nichol and Dhariwal 2021, without their offset).

    Args:
        latest: Where sampling starts; at 1 nothing of the data would be left.
    """

    latest: float = 0.995

    def alpha(self, t: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        return torch.cos(t * pi / 2)

    def sigma(self, t: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        return torch.sin(t * pi / 2)


@dataclass(frozen=True)
class Linear(NoiseSchedule):
    """β(t) grows linearly, as in DDPM with 1000 steps (Ho 2020; Song 2021, eq. 33).

    Args:
        first: β at t = 0, 1000 times that of DDPM's first step.
        last: β at t = 1.
    """

    first: float = 0.1
    last: float = 20.0

    def alpha(self, t: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        return torch.exp(-(t**2) * (self.last - self.first) / 4 - t * self.first / 2)

    def sigma(self, t: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        exponent = -(t**2) * (self.last - self.first) / 2 - t * self.first
        return torch.sqrt(-torch.expm1(exponent))


@dataclass(frozen=True)
class Karras(NoiseSchedule):
    """Data keeps its size, noise grows: α = 1, σ up to 80 (Karras 2022, eq. 5).

    Args:
        smallest: σ just above t = 0, where it is 0.
        largest: σ at t = 1.
        rho: How closely the times lie where there is little noise.
    """

    smallest: float = 0.002
    largest: float = 80.0
    rho: float = 7.0

    def alpha(self, t: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        """See `NoiseSchedule`."""
        low, high = self.smallest ** (1 / self.rho), self.largest ** (1 / self.rho)
        return torch.where(t > 0, (low + t * (high - low)) ** self.rho, 0.0)

    def time(self, sigma: Tensor) -> Tensor:
        """When the noise is so large; within 0 to 1."""
        low, high = self.smallest ** (1 / self.rho), self.largest ** (1 / self.rho)
        root: Tensor = sigma ** (1 / self.rho)
        time: Tensor = (root - low) / (high - low)
        return time.clamp(0, 1)


def along(t: Tensor, like: Tensor) -> Tensor:
    """Times (B,) or one time, in a shape that multiplies (B, …)."""
    return t.to(like).reshape(-1, *(1,) * (like.ndim - 1)) if t.ndim else t.to(like)
