"""A StyleGAN is trained by the one loop: each network learns from its own loss alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.training.balls import write_balls
from tests.training.stopping import Stop
from tests.training.tiny_run import a_ball
from verisim.card import ModelCard, read_card
from verisim.dataset import Dataset
from verisim.errors import BadCard, Cancelled
from verisim.networks.stylegan import StyleGenerator
from verisim.training.adaptive import changed
from verisim.training.batches import Batch
from verisim.training.closeness import closeness
from verisim.training.competing import MOST_CHANGED, REACTION, Adversaries, Competing, real_cases
from verisim.training.generator_fit import GeneratorFit, schedule_of
from verisim.training.learning import Learning
from verisim.training.schedule import Schedule

SCHEDULE = Schedule(iterations=6, batch_size=2, validate_every=3, warm_up=1)


@pytest.fixture
def untrained(a_stylegan: ModelCard) -> ModelCard:
    """Of balls, which are larger than what the tiny model makes."""
    network = replace(a_stylegan.network, coarsest=(6, 6, 6))  # type: ignore[type-var]  # a StyleGan
    return replace(a_stylegan, sha256="", training=None, network=network, patch_size=(24, 24, 24))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return write_balls(tmp_path / "balls", 7, 2)


@pytest.fixture
def rivals(a_stylegan: ModelCard) -> Adversaries:
    torch.manual_seed(0)
    network = a_stylegan.load()
    assert isinstance(network, StyleGenerator)
    return Adversaries.of(network.train())


def a_batch(size: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (size, 1, 16, 16, 16), generator=generator)
    return Batch(label + torch.randn(label.shape, generator=generator), label)


def gradients(network: nn.Module) -> list[torch.Tensor]:
    return [p.grad for p in network.parameters() if p.grad is not None]


def test_the_discriminator_does_not_learn_to_be_convinced(rivals: Adversaries) -> None:
    """Where it already recognizes all, its own losses are flat; what moves it is no rival's."""
    bias = rivals.discriminator.judged.bias
    objective, batch = Competing(0), a_batch()
    objective(rivals, batch, 1).backward()
    both = bias.grad.clone()  # type: ignore[union-attr]  # a step was made
    # d/db [softplus(D(fake)) + softplus(-D(real))] = σ(D(fake)) - σ(-D(real)), means over cases
    generator = torch.Generator().manual_seed(1_000_003 * 0 + 1)
    with torch.no_grad():
        real, inside = real_cases(batch, 3, torch.device("cpu"))
        share = torch.zeros(())
        made = changed(rivals.made(inside, generator).float(), 1, share, generator)
        truth = changed(real, 1, share, generator)
        judged = rivals.discriminator(torch.cat([made, truth]))
    false, true = judged.chunk(2)
    expected = (false.sigmoid() - (-true).sigmoid()).mean()
    assert both.item() == pytest.approx(expected.item(), abs=0.02)


def test_both_networks_learn(rivals: Adversaries) -> None:
    Competing(0)(rivals, a_batch(), 1).backward()
    assert sum(g.abs().sum() for g in gradients(rivals.generator)) > 0
    assert sum(g.abs().sum() for g in gradients(rivals.discriminator)) > 0


def test_the_slope_counts_at_every_sixteenth_step(rivals: Adversaries) -> None:
    batch, objective = a_batch(), Competing(0)
    with torch.no_grad():  # a steep discriminator
        rivals.discriminator.judged.weight.mul_(100)
    assert objective(rivals, batch, 16) > objective(rivals, batch, 17) + 10


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 8 / REACTION), (-1.0, 0.0)])
def test_more_is_changed_when_real_cases_are_recognized(
    rivals: Adversaries, sign: float, expected: float
) -> None:
    rivals.adapt(sign * torch.ones(8))
    assert rivals.get_buffer("probability").item() == pytest.approx(expected)
    rivals.get_buffer("probability").fill_(MOST_CHANGED)
    rivals.adapt(torch.ones(8))
    assert rivals.get_buffer("probability").item() == pytest.approx(MOST_CHANGED)


def test_nothing_is_changed_at_a_probability_of_0() -> None:
    case, _ = real_cases(a_batch(), 3, torch.device("cpu"))
    same = changed(case, 1, torch.tensor(0.0), torch.Generator().manual_seed(0))
    torch.testing.assert_close(same, case, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(16, 12, 8), (16, 12, 1)])
def test_image_and_masks_are_changed_together(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    smooth = nn.functional.interpolate(
        torch.randn(16, 1, 4, 4, min(4, shape[2])), size=shape, mode="trilinear"
    )
    case = torch.cat([smooth, smooth, torch.ones_like(smooth)], dim=1)
    moved = changed(case, 1, torch.tensor(1.0), torch.Generator().manual_seed(0))
    assert not torch.allclose(moved, case, atol=0.1)
    for image, mask in zip(moved[:, 0], moved[:, 1], strict=True):
        both = torch.stack([image.flatten(), mask.flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.999  # brightness and contrast aside


def test_only_rivals_compete() -> None:
    with pytest.raises(BadCard, match="competing"):
        Competing(0)(nn.Linear(1, 1), a_batch(), 0)


def test_cases_are_closest_to_themselves(rivals: Adversaries) -> None:
    apart = closeness(rivals, lambda k: a_batch(), 2, 0)

    class Copying(Adversaries):
        def made(self, inside: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            return real_cases(a_batch(), 3, torch.device("cpu"))[0]

    copying = Copying(rivals.generator, rivals.discriminator)
    assert closeness(copying, lambda k: a_batch(), 2, 0) == pytest.approx(0, abs=1e-6)
    assert apart < -0.05


def test_what_is_kept_makes_cases_and_the_rival_is_left(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    schedule = schedule_of(untrained, SCHEDULE)
    card = GeneratorFit(untrained, dataset, schedule)(tmp_path / "run", tmp_path / "models")
    assert read_card(card.card_path) == card
    assert card.figures["distance.val"] > 0
    assert not any("discriminator" in name for name in load_file(card.weights_path))
    assert card.load().get_buffer("box_mean").min() > 1


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    fit = GeneratorFit(untrained, dataset, schedule_of(untrained, SCHEDULE))
    whole = fit(tmp_path / "whole", tmp_path / "models")
    with pytest.raises(Cancelled):
        fit(tmp_path / "parts", tmp_path / "others", Stop(SCHEDULE.iterations, 4))
    parts = fit(tmp_path / "parts", tmp_path / "others")
    expected, found = load_file(whole.weights_path), load_file(parts.weights_path)
    assert all(torch.equal(found[name], one) for name, one in expected.items())


def test_it_comes_closer_to_real_cases(untrained: ModelCard, tmp_path: Path) -> None:
    examples = [a_ball(k) for k in range(4)]
    schedule = schedule_of(untrained, Schedule(iterations=40, batch_size=4, warm_up=1))
    schedule = replace(schedule, moving_average=0.9)
    learning = Learning(untrained, examples, examples, schedule)
    loop, batches = learning.loop(tmp_path), learning.batches()
    before = learning.score(loop.average.module)
    for step in range(40):
        loop.step(batches(step))
    assert learning.score(loop.average.module) > 0.8 * before
