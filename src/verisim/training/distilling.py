"""What a student of few steps is trained for: to go in one step where its teacher takes many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from verisim.card import ModelCard
from verisim.diffusion import (
    DDIM,
    Denoiser,
    Generation,
    Guided,
    Preconditioned,
    Student,
    Teacher,
    Within,
)
from verisim.errors import BadCard, BadInput
from verisim.networks.attributes import Attribute
from verisim.networks.case_diffusion import CaseDenoiser, CaseGenerator
from verisim.networks.network import attributes_of
from verisim.precision import laid_out, reduced_precision
from verisim.training.batches import Batch
from verisim.training.generating import Lesson, lessons_of, mean_square
from verisim.training.told import Told

OWN = 2
"""Every so many rounds the student itself made the noisy cases, from noise alone, as it will when
it makes cases; the others are of training cases, which are more varied."""


@dataclass(frozen=True)
class Distilling:
    """Squared error of one large step beside a teacher's small ones (Salimans and Ho 2022).

    The teacher is guided as its card says, and the student learns the guidance with the rest
    (Meng 2023). Steps take turns among those from noise to data. The error is that of the guess
    with which a step of DDIM ends where the teacher ends, weighted so that all noise counts
    alike.

    Args:
        teacher: Its networks, which stay as they are.
        generation: How the teacher is asked.
        steps: Of the student, from noise to data.
        seed: With the number of the step it decides noise.
    """

    teacher: CaseGenerator
    generation: Generation
    steps: int
    seed: int

    def __call__(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """See `Objective`."""
        if not isinstance(network, CaseGenerator):
            raise BadCard("Only generators learn to make cases.", "Train it to segment.")
        generator = self.noise_of(step)
        told = told_of(self.teacher, batch, generator)
        asked = lessons_of(self.teacher, batch, told)
        errors = [
            self._error(one, learned, step, generator)
            for one, learned in zip(asked, network.denoisers, strict=True)
        ]
        return torch.stack(errors).sum()

    def noise_of(self, step: int) -> torch.Generator:
        """What decides the noise of a step."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + step)

    def _error(
        self, asked: Lesson, network: CaseDenoiser, step: int, generator: torch.Generator
    ) -> Tensor:
        """λ(σ) |D(x_t) − x̂_0|² with x̂_0 of the teacher, averaged over what is inside."""
        schedule = self.generation.noise
        # they stay on the processor: it looks at them, and would wait for a graphics card
        times = schedule.times(self.steps)
        k = step % self.steps
        student = _Asked(Within(Preconditioned(network, schedule), asked.inside))
        teacher = Teacher.of(self._guided(asked), schedule, self.steps)
        with reduced_precision(asked.clean.device):
            with torch.no_grad():
                made = student if step // self.steps % OWN == 0 else None
                noisy = self._noisy(asked, made, times[: k + 1], generator)
                target = teacher.target(noisy, times[k], times[k + 1], asked.known)
            guess = student(noisy, times[k].expand(len(noisy)), asked.known)
        weight = 1 + 1 / float(schedule.sigma(times[k])) ** 2
        return weight * mean_square(guess - target, asked.inside).mean()

    def _guided(self, asked: Lesson) -> Denoiser:
        """The teacher as it makes cases."""
        learned = Preconditioned(asked.network, self.generation.noise)
        second = self.teacher.labels is not None and asked.network is self.teacher.image
        # what is made first follows attributes alone: where none is told guidance changes nothing
        first = self.generation.attribute_guidance if self.teacher.plan.attributes else 1.0
        scale = self.generation.guidance if second else first
        return _Asked(Within(Guided(learned, scale, asked.network.nothing_but_box), asked.inside))

    def _noisy(
        self, asked: Lesson, student: Denoiser | None, times: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Cases at the last of some times: made by a student until then, or of the training."""
        schedule = self.generation.noise
        noise = torch.randn(asked.clean.shape, generator=generator, device=generator.device)
        noise = noise.to(asked.clean) * asked.inside
        # sampling begins with noise alone, so the first step is learned from nothing else
        noisy = schedule.sigma(times[0]) * noise
        if student is None:
            shown = asked.clean * asked.inside + schedule.sigma(times[-1]) * noise
            return shown if len(times) > 1 else noisy
        for before, after in pairwise(times):
            noisy = DDIM(student, schedule).step(noisy, before, after, asked.known)
        return noisy


def student_of(
    teacher: ModelCard, name: str, steps: int, description: str = "", version: int = 1
) -> ModelCard:
    """An untrained model that shall make the cases of another in few steps.

    Args:
        teacher: A diffusion model of cases, with weights.
        name: Of the student.
        steps: From noise to image, and from noise to label map.
        description: In one sentence; empty: its teacher's, and the steps.
        version: Of the student.

    Raises:
        BadCard: The teacher makes no cases out of noise, or is a student itself.
        BadInput: So many steps are none, or no student's, or the name is the teacher's.
    """
    if not isinstance(teacher.generation, Generation):
        raise BadCard(
            f"{teacher.title} makes no cases out of noise in steps, so none can be saved.",
            "Distil a diffusion model of cases; `verisim models` lists them.",
        )
    if teacher.generation.student is not None:
        own = teacher.generation.student.teacher
        raise BadCard(f"{teacher.title} is a student of {own} already.", f"Distil {own} itself.")
    if name == teacher.name:
        raise BadInput(
            f"A student that is called {name} would take the place of its teacher.",
            f"Choose another name, e.g. {name}-fast.",
        )
    taken = f"{steps} step{'s' if steps > 1 else ''}"
    return replace(
        teacher,
        name=name,
        version=version,
        description=description or f"{teacher.description.rstrip('.')}, in {taken}.",
        generation=Student(teacher.title, steps).generation,
        sha256="",
        training=None,
        figures={},
        seconds_per_volume=0.0,
        folder=Path(),
    )


def distilling_of(teacher: ModelCard, card: ModelCard, device: str, seed: int) -> Distilling:
    """What a student is trained for.

    Args:
        teacher: With weights.
        card: The student, see `student_of`.
        device: Where to compute.
        seed: Decides noise.
    """
    network, asked, own = teacher.load(), teacher.generation, card.generation
    assert isinstance(network, CaseGenerator), "the cards were checked"
    assert isinstance(asked, Generation), "the cards were checked"
    assert isinstance(own, Generation), "the cards were checked"
    laid_out(network.requires_grad_(False).to(device), device)
    return Distilling(network, asked, own.steps, seed)


def check_taught(card: ModelCard, teacher: ModelCard | None) -> None:
    """Refuse to train a student without its teacher: it would unlearn its large steps.

    Raises:
        BadCard: It is a student, and there is no teacher.
    """
    student = card.generation.student if isinstance(card.generation, Generation) else None
    if student is not None and teacher is None:
        raise BadCard(
            f"{card.name} is a student of {student.teacher}, and learns from nothing else.",
            f"Train {student.teacher} further, and distil that.",
        )


def check_told(teacher: ModelCard | None, told: Told) -> None:
    """Refuse to teach a student other attributes than those that its teacher, if any, knows.

    Raises:
        BadInput: They are others.
    """
    if teacher is None:
        return
    known = attributes_of(teacher.network)
    own, other = ([(one.name, one.values) for one in each] for each in (known, told.attributes))
    if own != other:
        raise BadInput(
            f"{teacher.title} knows the attributes {_titles(known)}, and its student would be "
            f"told {_titles(told.attributes)}.",
            "Give the student the same --attributes and --intensity-families as its teacher.",
        )


def _titles(attributes: Sequence[Attribute]) -> str:
    return "; ".join(one.title for one in attributes) or "none"


def told_of(network: CaseGenerator, batch: Batch, generator: torch.Generator) -> Tensor:
    """Attributes (B, A): of each case all, none, or whichever; as anybody may ask for them."""
    attributes, cases = network.plan.attributes, len(batch.image)
    if batch.attributes is None or not attributes:
        return torch.zeros(cases, network.plan.told)
    device = generator.device
    widths = torch.tensor([len(one.values) for one in attributes], device=device)
    share = torch.rand((cases, 1), generator=generator, device=device).mul(3).sub(1)
    drawn = torch.rand((cases, len(attributes)), generator=generator, device=device)
    # a share below 0 keeps none, one above 1 all of them
    kept = (drawn < share).repeat_interleave(widths, dim=1, output_size=network.plan.told)
    return batch.attributes.to(device) * kept


@dataclass(frozen=True)
class _Asked:
    """A denoiser that is asked about times on the processor."""

    denoiser: Denoiser

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return self.denoiser(noisy, t.to(noisy.device), condition)
