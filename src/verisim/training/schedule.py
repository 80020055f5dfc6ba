"""How long and how fast a network learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi
from typing import Literal

POWER = 0.9
"""Of nnU-Net's polynomial decay of the learning rate (Isensee 2021)."""

LONGEST_MEMORY = 0.998
"""Decay of the averaged weights in a long training; a short one forgets sooner."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network learns.

    Args:
        iterations: Optimizer steps.
        batch_size: Patches a step.
        learning_rate: At the start, after the warm-up; from there it falls to 0.
        warm_up: Steps in which the learning rate rises.
        weight_decay: Of AdamW (Loshchilov 2019).
        moving_average: Decay of the averaged weights, which are the ones that are kept.
        validate_every: Steps between two looks at the validation cases.
        seed: Decides first weights, patches and augmentation.
        decay: How the learning rate falls: nnU-Net's polynomial (1 - i/N)^0.9, a cosine, or not.
        memory: Decay of the optimizer's means of gradients and of their squares (Kingma 2015).
    """

    iterations: int = 8000
    batch_size: int = 2
    learning_rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 1e-2
    moving_average: float = LONGEST_MEMORY
    validate_every: int = 500
    seed: int = 0
    decay: Literal["poly", "cosine", "none"] = "poly"
    memory: tuple[float, float] = (0.9, 0.999)

    def pace(self, iteration: int) -> float:
        """Share of the learning rate that a step is given: a warm-up, then the way to zero."""
        rise = min(1.0, (iteration + 1) / max(1, self.warm_up))
        gone = min(1.0, iteration / self.iterations)
        left = {
            "poly": float((1 - gone) ** POWER),
            "cosine": 0.5 * (1 + cos(pi * gone)),
            "none": 1.0,
        }
        return rise * left[self.decay]

    def lasting(self, iterations: int, looks: int) -> Schedule:
        """The schedule with another length; what depends on it is fitted to it.

        Args:
            iterations: Optimizer steps.
            looks: How often the validation cases are looked at.
        """
        steps = max(1, iterations)
        return replace(
            self,
            iterations=steps,
            warm_up=min(self.warm_up, 1 + steps // 10),
            moving_average=max(0.0, min(self.moving_average, 1 - 10 / steps)),
            validate_every=-(-steps // max(1, looks)),
        )

    def shared_by(self, members: int) -> Schedule:
        """The share of each of several networks that are trained one after the other."""
        if members == 1:
            return self
        steps = max(1, self.iterations // members)
        return replace(
            self, iterations=steps, validate_every=max(1, min(self.validate_every, steps))
        )
