"""Latent diffusion is told attributes and taught to go in few steps, as that of voxels is."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.training.balls import write_balls
from tests.training.test_latent_fit import PLAN, SCHEDULE
from tests.training.tiny_run import a_ball
from verisim.card import ModelCard, read_card, write_model
from verisim.networks.attributes import Attribute
from verisim.networks.latent_diffusion import LatentDiffusion, LatentGenerator
from verisim.networks.weights import weights_of
from verisim.synthesis import Synthesizer
from verisim.synthesis.synthesizer import wished
from verisim.training.augmentation import seeded
from verisim.training.distilling import distilling_of, student_of
from verisim.training.generating import lessons_of
from verisim.training.latent_fit import LatentFit, LearningToEncode, fit_of
from verisim.training.told import Telling


@pytest.fixture
def untrained(a_generator: ModelCard) -> ModelCard:
    return replace(
        a_generator, sha256="", patch_size=(24, 24, 24), training=None, network=PLAN, name="latent"
    )


def a_teacher(card: ModelCard, folder: Path) -> ModelCard:
    """With weights of a fixed seed, which change whatever they see."""
    with seeded(1):
        network = card.build()
        for one in network.parameters():
            nn.init.normal_(one, std=0.2)
    assert isinstance(network, LatentGenerator)
    network.remember([(16, 16, 16), (17, 16, 15), (16, 18, 16), (15, 15, 16)])
    return write_model(card, weights_of(network), folder)


def test_attributes_are_learned_on_the_latent_grid_and_asked_for(
    untrained: ModelCard, tmp_path: Path
) -> None:
    dataset = write_balls(tmp_path / "balls", 12, 2)
    table = tmp_path / "table.csv"
    lines = [f"case_{k},{'large' if k % 2 else 'small'}" for k in range(12)]
    table.write_text("\n".join(["case,size", *lines]))
    fit = LatentFit(untrained, dataset, SCHEDULE, telling=Telling(table))
    card = fit(tmp_path / "run", tmp_path / "models")
    assert read_card(card.card_path) == card
    assert isinstance(card.network, LatentDiffusion)
    assert [one.name for one in card.network.attributes] == ["size"]
    weights = load_file(card.weights_path)
    heard = [one for name, one in weights.items() if name.endswith(".attributes")]
    assert len(heard) == 2, "label maps and images are told"
    assert all(bool(one.any()) for one in heard)
    (case,) = Synthesizer(wished(card, attributes={"size": "large"}))(range(1))
    assert case.provenance.attributes == {"size": "large"}


def test_its_lessons_are_of_latent_numbers_and_told(untrained: ModelCard) -> None:
    plan = replace(PLAN, attributes=(Attribute("size", ("large", "small")),))
    network = plan.build(1, 3)
    batch = LearningToEncode(untrained, [a_ball(0)], [a_ball(0)], SCHEDULE).batches()(0)
    told = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    of_labels, of_images = lessons_of(network, batch, told)
    assert of_labels.clean.shape == (2, 3, 12, 12, 12)
    assert of_images.clean.shape == (2, PLAN.latents, 6, 6, 6)
    encoded = network.encoded(batch.image, batch.inside)
    # lessons are encoded in reduced precision, where the processor has it
    torch.testing.assert_close(of_images.clean, encoded, atol=1e-2, rtol=0)
    for one in (of_labels, of_images):
        assert torch.equal(one.known[:, -2:, 1, 2, 3], told)
        free = one.network.nothing_but_box(one.known)
        box = one.network.known - 1
        assert torch.equal(free[:, box], one.known[:, box])
        assert not free[:, -2:].any()


def test_a_student_keeps_the_autoencoder_of_its_teacher(
    untrained: ModelCard, tmp_path: Path
) -> None:
    dataset = write_balls(tmp_path / "balls", 7, 2)
    teacher = a_teacher(untrained, tmp_path / "models")
    card = student_of(teacher, "fast", 2)
    assert fit_of(card) is LatentFit
    made = LatentFit(card, dataset, SCHEDULE, teacher=teacher)(
        tmp_path / "fast", tmp_path / "models"
    )
    assert not (tmp_path / "fast" / "autoencoder").exists(), "none is trained"
    before, after = load_file(teacher.weights_path), load_file(made.weights_path)
    held = [name for name in before if name.startswith("autoencoder.")]
    assert held
    assert all(torch.equal(before[name], after[name]) for name in held)
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert any(name.startswith("image.") for name in moved)
    assert any(name.startswith("labels.") for name in moved)
    (case,) = Synthesizer(made)(range(1))
    assert case.evaluations == 2, "guidance is learned with the rest"


def test_a_student_nears_its_latent_teacher(untrained: ModelCard, tmp_path: Path) -> None:
    teacher = a_teacher(untrained, tmp_path)
    network = teacher.load().train()
    objective = distilling_of(teacher, student_of(teacher, "fast", 2), "cpu", 0)
    batch = LearningToEncode(untrained, [a_ball(0)], [a_ball(0)], SCHEDULE).batches()(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        loss = objective(network, batch, 3)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
