"""How masks come out of noise: how many, in how many steps, and by which sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import ConfigDict

from verisim.diffusion.denoiser import Denoiser, Parameterization
from verisim.diffusion.sampler import DDIM, DDPM, DPMSolver, Heun, Sampler
from verisim.diffusion.schedule import Cosine, Karras, Linear, NoiseSchedule
from verisim.errors import BadInput
from verisim.seeds import check_seed

Solver = Literal["ddim", "ddpm", "dpm-solver", "heun"]
"""Names of the samplers."""

Fusion = Literal["mean", "staple"]
"""Ways to one label map; probabilities and uncertainty are those of the mean in any case."""

MOST = 1000
"""Of samples, and of steps."""

_SCHEDULES: dict[str, NoiseSchedule] = {
    "cosine": Cosine(),
    "linear": Linear(),
    "karras": Karras(),
}

_SOLVERS: dict[str, type[Sampler]] = {"ddim": DDIM, "dpm-solver": DPMSolver, "heun": Heun}


@dataclass(frozen=True)
class Sampling:
    """How masks come out of noise.

    Args:
        samples: Masks, each from noise of its own; the answer is their mean.
        steps: From noise to mask.
        solver: The sampler.
        fusion: How samples become one label map: by their mean probability, or by STAPLE.
        seed: Decides the noise: the same seed gives the same answer.
        settled: Sampling ends early when another mask moves the mean probabilities by less than
            this, averaged over the voxels in question; 0: never.
        anchor: Name of a model whose answer, with noise, is the start of every sample (truncated
            diffusion; Guo 2022); empty: all begin as noise alone.
        start: The time of that start, above 0 and below 1: the later, the less of it is left.
        schedule: The noise that the network was trained with.
        parameterization: What the network predicts; of data, the logits.

    Raises:
        BadInput: Numbers that are no such numbers.
    """

    samples: int = 5
    steps: int = 2
    solver: Solver = "ddim"
    fusion: Fusion = "mean"
    seed: int = 0
    settled: float = 0.0
    anchor: str = ""
    start: float = 0.3
    schedule: Literal["cosine", "linear", "karras"] = "cosine"
    parameterization: Parameterization = "data"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        for name, number in (("samples", self.samples), ("steps", self.steps)):
            if not 1 <= number <= MOST:
                raise BadInput(f"{number} {name} cannot be taken.", f"Ask for 1 to {MOST} {name}.")
        if not 0 <= self.settled < 1:
            raise BadInput(
                f"A mean cannot settle to {self.settled:g}.", "Say a number from 0 to below 1."
            )
        if not 0 < self.start < 1:
            raise BadInput(
                f"Nothing can start at the time {self.start:g}.",
                "Say a number between 0, the anchor's mask itself, and 1, noise alone.",
            )
        check_seed(self.seed)

    @property
    def noise(self) -> NoiseSchedule:
        """The schedule itself."""
        return _SCHEDULES[self.schedule]

    @property
    def stochastic(self) -> bool:
        """Whether steps add noise."""
        return self.solver == "ddpm"

    def sampler(self, denoiser: Denoiser, generator: torch.Generator | None = None) -> Sampler:
        """The sampler itself.

        Args:
            denoiser: Guesses masks.
            generator: Of the noise that steps add.
        """
        if self.solver == "ddpm":
            return DDPM(denoiser, self.noise, generator=generator)
        solver: type[Sampler] = _SOLVERS[self.solver]
        return solver(denoiser, self.noise)
