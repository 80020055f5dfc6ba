"""One step of a perfect student ends where many of its teacher do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from verisim.diffusion import (
    DDIM,
    Cosine,
    DPMSolver,
    Generation,
    Karras,
    NoiseSchedule,
    Student,
    Teacher,
    landing,
)
from verisim.diffusion.schedule import along
from verisim.errors import BadInput

NOTHING = torch.zeros(2, 0, 2, 2, 2)


@dataclass(frozen=True)
class Gaussian:
    """The perfect denoiser of data of one mean and deviation."""

    schedule: NoiseSchedule
    mean: float = 0.7
    deviation: float = 0.5

    def __call__(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        alpha, sigma = (one(along(t, noisy)) for one in (self.schedule.alpha, self.schedule.sigma))
        variance = self.deviation**2
        gain = alpha * variance / (alpha**2 * variance + sigma**2)
        return self.mean + gain * (noisy - alpha * self.mean)

    def end(self, noisy: Tensor, t: float) -> Tensor:
        """Where the path that is at x_t ends: it keeps its place among its likes."""
        at = torch.tensor(t)
        alpha, sigma = self.schedule.alpha(at), self.schedule.sigma(at)
        spread = (alpha**2 * self.deviation**2 + sigma**2).sqrt()
        return self.mean + self.deviation * (noisy - alpha * self.mean) / spread


def noise(schedule: NoiseSchedule) -> Tensor:
    drawn = torch.randn(2, 1, 2, 2, 2, generator=torch.Generator().manual_seed(0)).double()
    return schedule.sigma(torch.tensor(schedule.latest)) * drawn


@pytest.mark.parametrize("schedule", [Karras(), Cosine()])
@pytest.mark.parametrize(("t", "s"), [(0.9, 0.5), (0.5, 0.0)])
def test_a_step_with_the_target_ends_where_the_teacher_ended(
    schedule: NoiseSchedule, t: float, s: float
) -> None:
    teacher = Teacher(Gaussian(schedule), schedule, 5)
    at, to = torch.tensor(t), torch.tensor(s)
    noisy = noise(schedule)
    moved = teacher.moved(noisy, at, to, NOTHING)
    target = teacher.target(noisy, at, to, NOTHING)
    student = DDIM(lambda *_: target, schedule)
    assert torch.allclose(student.step(noisy, at, to, NOTHING), moved, atol=1e-6)
    assert not torch.allclose(DDIM(teacher.denoiser, schedule).step(noisy, at, to, NOTHING), moved)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_with_perfect_targets_follow_the_teacher_to_the_end(steps: int) -> None:
    schedule = Karras()
    perfect = Gaussian(schedule)
    teacher = Teacher.of(perfect, schedule, steps)
    times = schedule.times(steps)
    small = large = noise(schedule)
    for t, s in pairwise(times):
        target = teacher.target(large, t, s, NOTHING)
        large = DDIM(lambda *_, x=target: x, schedule).step(large, t, s, NOTHING)
        small = teacher.moved(small, t, s, NOTHING)
    plain = DDIM(perfect, schedule).sample(noise(schedule), NOTHING, steps)
    end = perfect.end(noise(schedule), schedule.latest)
    assert torch.allclose(large, small, atol=1e-6)
    assert (large - end).abs().max() < 0.25 * (plain - end).abs().max()


def test_a_teacher_of_one_step_is_the_sampler_itself() -> None:
    schedule = Karras()
    perfect = Gaussian(schedule)
    teacher = Teacher.of(perfect, schedule, 1)
    start, end = torch.tensor(schedule.latest), torch.tensor(0.0)
    sampled = DPMSolver(perfect, schedule).sample(noise(schedule), NOTHING, teacher.parts)
    moved = teacher.moved(noise(schedule), start, end, NOTHING)
    assert torch.allclose(moved, sampled, atol=1e-6)


def test_data_that_does_not_move_is_its_own_guess() -> None:
    """Where nothing is to be cleaned, x_s is the data with less of the same noise."""
    schedule = Karras()
    data, drawn = torch.full((1, 1, 2, 2, 2), 3.0), noise(schedule)[:1]
    t, s = torch.tensor(0.6), torch.tensor(0.3)
    at, to = (data + schedule.sigma(one) / 80 * drawn for one in (t, s))
    assert torch.allclose(landing(at, to, t, s, schedule), data.double(), atol=1e-6)


def test_a_student_takes_its_own_steps_and_no_others() -> None:
    learned = Student("teacher v2", 4).generation
    assert (learned.steps, learned.label_steps, learned.solver) == (4, 4, "ddim")
    assert learned.questions == 1
    assert replace(learned, seed=3, steps=4, guidance=1.0).seed == 3


@pytest.mark.parametrize(
    "wish",
    [
        {"steps": 5},
        {"label_steps": 3},
        {"solver": "heun"},
        {"guidance": 1.5},
        {"attribute_guidance": 2.0},
        {"steps": 8, "label_steps": 8},
    ],
)
def test_a_student_refuses_what_it_did_not_learn(wish: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=next(iter(wish))) as refused:
        replace(Student("teacher v2", 4).generation, **wish)  # type: ignore[arg-type]
    assert "teacher v2" in refused.value.remedy


@pytest.mark.parametrize("steps", [0, 9])
def test_so_many_steps_are_no_students(steps: int) -> None:
    with pytest.raises(BadInput, match="No student"):
        Student("teacher v2", steps)


def test_other_models_choose_freely() -> None:
    assert Generation(steps=30, solver="heun").student is None
