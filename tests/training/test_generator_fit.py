"""A generator is trained by the one loop: it learns, goes on after an end, and says no."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training.balls import write_balls
from tests.training.stopping import Stop
from tests.training.tiny_run import a_ball
from verisim.card import ModelCard, read_card
from verisim.dataset import Dataset
from verisim.diffusion import Generation
from verisim.errors import BadCard, BadInput, Cancelled, Diverged
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.training.batches import Batch
from verisim.training.examples import Example
from verisim.training.generating import Generating, Lesson
from verisim.training.generator_fit import GeneratorFit, fingerprint_of
from verisim.training.learning import Learning
from verisim.training.schedule import Schedule

SCHEDULE = Schedule(iterations=6, batch_size=2, validate_every=3, warm_up=1)


@pytest.fixture
def untrained(a_generator: ModelCard) -> ModelCard:
    return replace(a_generator, sha256="", patch_size=(24, 24, 24), training=None)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return write_balls(tmp_path / "balls", 7, 2)


def test_a_model_that_makes_cases_is_written(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    card = GeneratorFit(untrained, dataset, SCHEDULE)(tmp_path / "run", tmp_path / "models")
    assert read_card(card.card_path) == card
    assert card.kind == "synthesis"
    assert card.training is not None
    assert (card.training.cases, card.training.data) == (5, "balls")
    assert len(card.training.fingerprint) == 64
    assert "case_0" not in card.card_path.read_text()
    assert card.figures["loss.val"] > 0
    assert card.load().get_buffer("box_mean").min() > 1


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    fit = GeneratorFit(untrained, dataset, SCHEDULE)
    whole = fit(tmp_path / "whole", tmp_path / "models")
    with pytest.raises(Cancelled):
        fit(tmp_path / "parts", tmp_path / "others", Stop(SCHEDULE.iterations, 4))
    parts = fit(tmp_path / "parts", tmp_path / "others")
    expected, found = load_file(whole.weights_path), load_file(parts.weights_path)
    assert all(torch.equal(found[name], one) for name, one in expected.items())


@pytest.mark.parametrize("joint", [False, True])
def test_it_learns(untrained: ModelCard, joint: bool, tmp_path: Path) -> None:
    assert isinstance(untrained.network, CaseDiffusion)
    card = replace(untrained, network=replace(untrained.network, joint=joint))
    examples = [a_ball(k) for k in range(3)]
    schedule = Schedule(iterations=60, batch_size=2, warm_up=5, learning_rate=5e-3)
    learning = Learning(card, examples, examples[:1], schedule)
    loop, batches = learning.loop(tmp_path), learning.batches()
    before = learning.score(loop.network)
    for step in range(60):
        loop.step(batches(step))
    assert learning.score(loop.network) > 0.6 * before


def test_a_perfect_network_has_no_loss(untrained: ModelCard) -> None:
    """The image's error is counted inside the volume only, and 0 for who knows the answer."""
    network = untrained.build()
    batch = Batch(torch.zeros(1, 1, 16, 16, 16), torch.zeros(1, 1, 16, 16, 16, dtype=torch.int16))
    assert untrained.generation is not None
    objective = Generating(untrained.generation, 0)

    class Perfect(nn.Module):
        """Of data that is 0 everywhere the noise is what is seen: F = -x c_skip / (c_in c_out)."""

        made = 1

        def forward(self, noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
            sigma = untrained.generation.noise.sigma(t)[:, None, None, None, None]  # type: ignore[union-attr]  # asserted above
            return -noisy / sigma

    generator = torch.Generator().manual_seed(0)
    inside = batch.inside
    lesson = Lesson(Perfect(), batch.image, inside, inside, 0.0)  # type: ignore[arg-type]
    loss = objective._error(lesson, generator)
    assert loss.item() == pytest.approx(0, abs=1e-3)
    assert objective(network, batch, 0).item() > 0.1


def test_few_cases_are_refused(untrained: ModelCard, tmp_path: Path) -> None:
    few = write_balls(tmp_path / "few", 5, 1)
    with pytest.raises(BadInput, match=r"4 case.*only repeat"):
        GeneratorFit(untrained, few, SCHEDULE)(tmp_path / "run", tmp_path / "models")
    assert not (tmp_path / "run").exists()


def test_cases_larger_than_a_patch_are_refused(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    small = replace(untrained, patch_size=(8, 8, 8))
    with pytest.raises(BadInput, match="larger than the 8×8×8 voxels"):
        GeneratorFit(small, dataset, SCHEDULE)(tmp_path / "run", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(
    untrained: ModelCard, tmp_path: Path
) -> None:
    learning = Learning(untrained, [a_ball(0)], [a_ball(1)], SCHEDULE)
    loop, batches = learning.loop(tmp_path), learning.batches()
    broken = replace(batches(0), image=torch.full_like(batches(0).image, torch.nan))

    def from_step(step: int) -> Batch:
        return broken if step == 4 else batches(step)

    with pytest.raises(Diverged, match="step 5"):
        loop.run(from_step, learning.score)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["iteration"] == 3
    weights = kept["best"][0]
    assert weights
    assert all(torch.isfinite(one).all() for one in weights.values())


def test_what_segments_learns_to_make_nothing(a_trained_model: ModelCard) -> None:
    batch = Batch(torch.zeros(1, 1, 16, 16, 16), torch.zeros(1, 1, 16, 16, 16, dtype=torch.int16))
    with pytest.raises(BadCard, match="Only generators"):
        Generating(Generation(), 0)(a_trained_model.load(), batch, 0)


def test_a_fingerprint_depends_on_the_voxels_and_not_on_their_order() -> None:
    cases = [a_ball(k) for k in range(3)]
    assert fingerprint_of(cases) == fingerprint_of(cases[::-1])
    other = Example(cases[0].image + np.float32(1), cases[0].label)
    assert fingerprint_of([other, *cases[1:]]) != fingerprint_of(cases)
