"""How cases come out of noise: in how many steps, by which sampler, how strongly guided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar

import torch
from pydantic import ConfigDict

from verisim.diffusion.denoiser import Denoiser
from verisim.diffusion.sampler import Sampler
from verisim.diffusion.sampling import MOST, Sampling, Solver
from verisim.diffusion.schedule import Karras
from verisim.errors import BadInput
from verisim.seeds import check_seed

STRONGEST = 10.0
"""Guidance beyond this makes caricatures."""


MOST_STUDENT_STEPS = 8
"""Of a distilled model: for more its teacher needs no student."""


@dataclass(frozen=True)
class Student:
    """What a model was distilled from: it learned one way to go from noise to data, and no other.

    Args:
        teacher: Name and version of the model whose steps it takes, many in one.
        steps: From noise to data.

    Raises:
        BadInput: So many steps are none, or no student's.
    """

    teacher: str
    steps: int

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_STUDENT_STEPS:
            raise BadInput(
                f"No student takes {self.steps} steps.",
                f"Ask for 1 to {MOST_STUDENT_STEPS}; for more, take {self.teacher} itself.",
            )

    @property
    def generation(self) -> Generation:
        """How it makes cases."""
        return Generation(
            self.steps,
            self.steps,
            solver="ddim",
            guidance=1.0,
            attribute_guidance=1.0,
            student=self,
        )

    def check(self, asked: Generation) -> None:
        """Refuse another way than the one that it learned.

        Raises:
            BadInput: It is asked for other steps, another sampler, or guidance.
        """
        learned = {
            "steps": (asked.steps, self.steps),
            "label_steps": (asked.label_steps, self.steps),
            "solver": (asked.solver, "ddim"),
            "guidance": (asked.guidance, 1.0),
            "attribute_guidance": (asked.attribute_guidance, 1.0),
        }
        for name, (wish, own) in learned.items():
            if wish != own:
                told = " (its teacher's is part of it)" if "guidance" in name else ""
                raise BadInput(
                    f"A student of {self.teacher} learned {name} {own}{told}, and cannot take "
                    f"{wish}.",
                    f"Leave {name} out, or take {self.teacher} itself.",
                )


@dataclass(frozen=True)
class Generation:
    """How cases come out of noise.

    Args:
        steps: From noise to the image.
        label_steps: From noise to the label map.
        solver: The sampler of both.
        guidance: How much more the image follows the label map than it learned to: 1 as it
            learned, 0 not at all (Ho and Salimans 2022).
        attribute_guidance: How much more what is made first, the label map, or image and labels
            together, follows the attributes that are asked for than it learned to. The image
            follows them as it follows the label map.
        attributes: Name to value of what the cases shall be, of those that the model knows;
            whatever is not listed may be anything.
        seed: Decides the noise: the same seed gives the same cases.
        student: What the model was distilled from; None: it was not.

    Raises:
        BadInput: Numbers that are no such numbers, or not those that a student learned.
    """

    steps: int = 10
    label_steps: int = 20
    solver: Solver = "dpm-solver"
    guidance: float = 1.5
    attribute_guidance: float = 2.0
    attributes: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    student: Student | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        for number in (self.steps, self.label_steps):
            if not 1 <= number <= MOST:
                raise BadInput(f"{number} steps cannot be taken.", f"Ask for 1 to {MOST} steps.")
        for strength in (self.guidance, self.attribute_guidance):
            if not (isfinite(strength) and 0 <= strength <= STRONGEST):
                raise BadInput(
                    f"A guidance of {strength:g} cannot be followed.",
                    f"Say a number from 0 to {STRONGEST:g}; 1 is what the model learned.",
                )
        check_seed(self.seed)
        if self.student is not None:
            self.student.check(self)

    @property
    def questions(self) -> int:
        """How often a step asks the network of images: guidance asks twice."""
        return 1 if self.guidance == 1 else 2

    @property
    def pull(self) -> float:
        """Guidance of what is made first: 1, which asks once, where no attribute is asked for."""
        return self.attribute_guidance if self.attributes else 1.0

    @property
    def noise(self) -> Karras:
        """The schedule."""
        return Karras()

    def sampler(self, denoiser: Denoiser, generator: torch.Generator | None = None) -> Sampler:
        """The sampler itself.

        Args:
            denoiser: Guesses cases.
            generator: Of the noise that steps add.
        """
        return Sampling(solver=self.solver, schedule="karras").sampler(denoiser, generator)
