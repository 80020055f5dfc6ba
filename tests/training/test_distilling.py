"""A student is trained by the one loop: it nears its teacher, goes on after an end, says no."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.training.balls import write_balls
from tests.training.stopping import Stop
from tests.training.tiny_run import a_ball
from verisim.card import ModelCard, read_card, write_model
from verisim.dataset import Dataset
from verisim.diffusion import DDIM, Generation, Preconditioned, Student, Teacher
from verisim.errors import BadCard, BadInput, Cancelled, WrongChannels
from verisim.networks.attributes import Attribute
from verisim.networks.case_diffusion import CaseDiffusion, CaseGenerator
from verisim.networks.weights import weights_of
from verisim.training.augmentation import seeded
from verisim.training.batches import Batch
from verisim.training.distilling import Distilling, distilling_of, student_of, told_of
from verisim.training.generating import lessons_of
from verisim.training.generator_fit import GeneratorFit
from verisim.training.learning import Learning
from verisim.training.schedule import Schedule
from verisim.training.told import knowing

SCHEDULE = Schedule(iterations=3, batch_size=2, validate_every=2, warm_up=1)


def written(card: ModelCard, folder: Path) -> ModelCard:
    """A generator that changes what it sees: an untrained one says nothing of labels."""
    with seeded(1):
        network = card.build()
        for one in network.parameters():
            torch.nn.init.normal_(one, std=0.2)
    assert isinstance(network, CaseGenerator)
    network.remember([(16, 16, 16), (17, 16, 15), (16, 18, 16), (15, 15, 16)])
    return write_model(replace(card, patch_size=(24, 24, 24)), weights_of(network), folder)


@pytest.fixture
def teacher(a_generator: ModelCard, tmp_path: Path) -> ModelCard:
    return written(a_generator, tmp_path / "teachers")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return write_balls(tmp_path / "balls", 7, 2)


def a_batch(cases: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(cases, 1, 16, 16, 16, generator=generator)
    inside = torch.ones_like(image)
    inside[..., 12:] = 0
    return Batch(image, (image > 0.5).to(torch.int16), inside)


def test_a_student_is_written_with_its_teacher(
    teacher: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    card = student_of(teacher, "fast", 4)
    made = GeneratorFit(card, dataset, SCHEDULE, teacher=teacher)(
        tmp_path / "run", tmp_path / "models"
    )
    assert read_card(made.card_path) == made
    assert isinstance(made.generation, Generation)
    assert made.generation == Student(teacher.title, 4).generation
    assert made.training is not None
    assert made.training.initialized_from == teacher.title
    assert made.figures["loss.val"] > 0
    before, after = load_file(teacher.weights_path), load_file(made.weights_path)
    assert before.keys() == after.keys()
    assert not all(torch.equal(after[name], one) for name, one in before.items())


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    teacher: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    fit = GeneratorFit(student_of(teacher, "fast", 4), dataset, SCHEDULE, teacher=teacher)
    whole = fit(tmp_path / "whole", tmp_path / "models")
    with pytest.raises(Cancelled):
        fit(tmp_path / "parts", tmp_path / "others", Stop(SCHEDULE.iterations, 2))
    parts = fit(tmp_path / "parts", tmp_path / "others")
    expected, found = load_file(whole.weights_path), load_file(parts.weights_path)
    assert all(torch.equal(found[name], one) for name, one in expected.items())


@pytest.mark.parametrize("joint", [False, True])
def test_it_nears_its_teacher(a_generator: ModelCard, joint: bool, tmp_path: Path) -> None:
    assert isinstance(a_generator.network, CaseDiffusion)
    plan = replace(a_generator.network, joint=joint)
    teacher = written(replace(a_generator, network=plan), tmp_path / "teachers")
    objective = distilling_of(teacher, student_of(teacher, "fast", 2), "cpu", 0)
    with seeded(5):
        network = teacher.build().train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = objective(network, a_batch(), 3)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_the_loop_starts_at_the_teacher(teacher: ModelCard, tmp_path: Path) -> None:
    examples = [a_ball(k) for k in range(3)]
    card = student_of(teacher, "fast", 2)
    learning = Learning(card, examples, examples, SCHEDULE, teacher=teacher)
    begun, own = weights_of(learning.start()), load_file(teacher.weights_path)
    assert all(torch.equal(begun[name], one) for name, one in own.items() if "box" not in name)


@pytest.mark.parametrize("step", range(4))
def test_who_guesses_the_target_has_no_loss(
    teacher: ModelCard, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A perfect denoiser guesses the same at all times of a path, and needs no small steps."""

    def perfect(self: Preconditioned, noisy: Tensor, t: Tensor, known: Tensor) -> Tensor:
        return torch.full_like(noisy, 0.25) + 0 * next(self.network.parameters()).sum()

    objective = distilling_of(teacher, student_of(teacher, "fast", 2), "cpu", 0)
    network = teacher.load()
    assert objective(network, a_batch(), step).item() > 1e-3
    monkeypatch.setattr(Preconditioned, "__call__", perfect)
    assert objective(network, a_batch(), step).item() == pytest.approx(0, abs=1e-6)


def test_the_same_step_has_the_same_loss_and_others_another(teacher: ModelCard) -> None:
    objective = distilling_of(teacher, student_of(teacher, "fast", 2), "cpu", 0)
    network = teacher.load()
    losses = [objective(network, a_batch(), step).item() for step in (0, 1, 0, 4)]
    assert losses[0] == losses[2]
    assert len({losses[0], losses[1], losses[3]}) == 3


@pytest.mark.parametrize("part", [0, 1])
def test_the_teacher_is_guided_as_its_card_says(a_generator: ModelCard, part: int) -> None:
    """D_u + g (D_c - D_u), which is a line in g; label maps are guided by attributes alone."""
    card = knowing(a_generator, (Attribute("size", ("large", "small")),))
    network = card.build()
    assert isinstance(network, CaseGenerator)
    for one in network.parameters():
        torch.nn.init.normal_(one, std=0.2, generator=torch.Generator().manual_seed(one.numel()))
    asked = lessons_of(network, a_batch(), torch.tensor([[1.0, 0], [0, 1]]))[part]
    noisy, t = asked.clean + 1, torch.full((2,), 0.5)

    def guess(strength: float) -> Tensor:
        strengths = {"attribute_guidance": strength} if part == 0 else {"guidance": strength}
        objective = Distilling(network, Generation(**strengths), 4, 0)  # type: ignore[arg-type]
        with torch.no_grad():
            return objective._guided(asked)(noisy, t, asked.known)

    free, plain = guess(0.0), guess(1.0)
    assert not torch.allclose(free, plain, atol=1e-3)
    assert torch.allclose(guess(3.0), free + 3 * (plain - free), atol=1e-3)


def test_gradients_reach_the_student_alone(teacher: ModelCard) -> None:
    objective = distilling_of(teacher, student_of(teacher, "fast", 2), "cpu", 0)
    network = teacher.load().train()
    objective(network, a_batch(), 1).backward()  # type: ignore[no-untyped-call]
    assert all(one.grad is not None for one in network.parameters())
    assert all(one.grad is None for one in objective.teacher.parameters())


def test_nothing_beyond_the_box_counts(teacher: ModelCard) -> None:
    objective = distilling_of(teacher, student_of(teacher, "fast", 2), "cpu", 0)
    network, batch = teacher.load(), a_batch()
    other = replace(batch, image=torch.where(batch.inside > 0, batch.image, torch.tensor(9.0)))
    # step 2 begins with a training case, and its image alone differs
    assert objective(network, batch, 3).item() == objective(network, other, 3).item()


def test_attributes_are_told_whole_in_part_and_not_at_all(a_generator: ModelCard) -> None:
    sizes = Attribute("size", ("large", "small"))
    card = knowing(a_generator, (sizes, Attribute("side", ("left", "right"))))
    network = card.build()
    assert isinstance(network, CaseGenerator)
    batch = replace(a_batch(300), attributes=torch.tensor([[1.0, 0, 0, 1]]).expand(300, 4))
    told = told_of(network, batch, torch.Generator().manual_seed(0))
    seen = {tuple(row) for row in told.tolist()}
    assert seen == {(1, 0, 0, 1), (1, 0, 0, 0), (0, 0, 0, 1), (0, 0, 0, 0)}
    assert (told.sum(dim=1) == 2).float().mean() > 0.3


def test_a_student_of_other_attributes_is_refused(
    a_generator: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    card = knowing(a_generator, (Attribute("size", ("large", "small")),))
    teacher = written(card, tmp_path / "teachers")
    fit = GeneratorFit(student_of(teacher, "fast", 2), dataset, SCHEDULE, teacher=teacher)
    with pytest.raises(BadInput, match=r"size \(large, small\).*none"):
        fit(tmp_path / "run", tmp_path / "models")


def test_a_student_has_no_students(teacher: ModelCard) -> None:
    with pytest.raises(BadCard, match="already"):
        student_of(student_of(teacher, "fast", 4), "faster", 2)


def test_a_student_learns_from_its_teacher_alone(
    teacher: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(BadCard, match="learns from nothing else"):
        GeneratorFit(student_of(teacher, "fast", 2), dataset, SCHEDULE)(tmp_path, tmp_path)


def test_what_takes_no_steps_has_no_students(
    a_stylegan: ModelCard, a_trained_model: ModelCard
) -> None:
    for card in (a_stylegan, a_trained_model):
        with pytest.raises(BadCard, match="out of noise"):
            student_of(card, "fast", 4)


def test_data_of_other_channels_are_refused(
    teacher: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    two = replace(teacher, channels=("CT", "PET"))
    weights = written(two, tmp_path / "others")
    fit = GeneratorFit(student_of(weights, "fast", 2), dataset, SCHEDULE, teacher=weights)
    with pytest.raises(WrongChannels):
        fit(tmp_path / "run", tmp_path / "models")


def test_a_student_is_sampled_as_it_was_taught(teacher: ModelCard) -> None:
    """Its steps are those of the sampler that its card names, on the same times."""
    network = teacher.load()
    assert isinstance(network, CaseGenerator)
    generation = Student(teacher.title, 4).generation
    sampler = generation.sampler(Preconditioned(network.image, generation.noise))
    assert isinstance(sampler, DDIM)
    assert sampler.schedule == generation.noise
    assert Teacher.of(sampler.denoiser, generation.noise, 4).parts == 4
