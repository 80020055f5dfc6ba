"""A click network is trained by the one loop: it learns, and goes on after an end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.balls import write_balls
from tests.training.stopping import Stop
from tests.training.tiny_run import PATCH, a_ball
from verisim.card import ModelCard, read_card, write_model
from verisim.dataset import Dataset
from verisim.errors import BadCard, BadInput, Cancelled
from verisim.networks.weights import weights_of
from verisim.training.augmentation import Augmentation
from verisim.training.click_fit import ClickFit, clicker_of
from verisim.training.clicking import ClickBatches, Clicking
from verisim.training.losses import dice_cross_entropy
from verisim.training.schedule import Schedule
from verisim.training.starts import Begun, noisy, spoiled

SCHEDULE = Schedule(iterations=6, batch_size=2, validate_every=3, warm_up=1)


@pytest.fixture
def corrected(a_card: ModelCard, tmp_path: Path) -> ModelCard:
    return write_model(a_card, weights_of(a_card.build()), tmp_path / "models")


@pytest.fixture
def fit(corrected: ModelCard, dataset: Dataset) -> ClickFit:
    return ClickFit(clicker_of(corrected, "tiny-clicks"), corrected, dataset, SCHEDULE)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return write_balls(tmp_path / "balls", 7, 2)


def test_a_model_that_corrects_is_written(fit: ClickFit, tmp_path: Path) -> None:
    card = fit(tmp_path / "run", tmp_path / "models")
    assert read_card(card.card_path) == card
    assert card.kind == "refinement"
    assert card.training is not None
    assert (card.training.cases, card.training.data) == (4, "balls")
    assert list(card.figures) == [f"dice.val.{n}-clicks" for n in (0, 1, 3, 5, 10)]
    assert all(torch.isfinite(one).all() for one in card.load().parameters())


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(fit: ClickFit, tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", tmp_path / "models")
    with pytest.raises(Cancelled):
        fit(tmp_path / "parts", tmp_path / "others", Stop(SCHEDULE.iterations, 4))
    parts = fit(tmp_path / "parts", tmp_path / "others")
    expected, found = load_file(whole.weights_path), load_file(parts.weights_path)
    assert all(torch.equal(found[name], one) for name, one in expected.items())


def test_it_learns_to_correct(a_card: ModelCard) -> None:
    example = a_ball(1)
    cases = [Begun(example, (np.roll(example.label, 3, axis=1),))]
    batches = ClickBatches(cases, 2, Augmentation(PATCH), 3, seed=0)
    objective = Clicking(dice_cross_entropy(), 3, (1.0, 1.0, 1.0), 2.0, seed=0)
    torch.manual_seed(0)
    network = clicker_of(a_card, "x").build(deep_supervision=True)
    optimizer = torch.optim.AdamW(network.parameters(), 5e-3)
    losses = []
    for step in range(30):
        optimizer.zero_grad()
        loss = objective(network, batches(step), step)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_a_step_draws_the_same_whenever_it_comes(a_card: ModelCard) -> None:
    example = a_ball(1)
    cases = [Begun(example, (np.roll(example.label, 3, axis=1),))]
    batches = ClickBatches(cases, 2, Augmentation(PATCH), 3, seed=0)
    one, other = batches(5), batches(5)
    assert torch.equal(one.image, other.image)
    assert torch.equal(one.label, other.label)
    assert one.image.shape == (2, 1 + 3, *PATCH)
    assert torch.equal(one.image[:, 1:].sum(dim=1), torch.ones(2, *PATCH))
    objective = Clicking(dice_cross_entropy(), 3, (1.0, 1.0, 1.0), 2.0, seed=0)
    network = clicker_of(a_card, "x").build()
    assert objective(network, one, 5).item() == objective(network, other, 5).item()


def test_a_noisy_copy_keeps_mean_and_deviation() -> None:
    image = a_ball(1).image
    copy = noisy(image, 3.0, np.random.default_rng(0))
    assert copy.mean() == pytest.approx(image.mean(), abs=0.05)
    assert copy.std() == pytest.approx(image.std(), rel=0.05)
    assert np.corrcoef(copy.ravel(), image.ravel())[0, 1] < 0.5


def test_a_spoiled_truth_has_the_same_classes_and_is_mostly_another() -> None:
    truth = a_ball(1).label
    found = [spoiled(truth, 3, np.random.default_rng(k)) for k in range(8)]
    assert all(one.shape == truth.shape and one.max() <= 2 for one in found)
    assert sum((one != truth).any() for one in found) >= 5
    nothing = np.zeros((8, 8, 8), np.uint8)
    assert not any(spoiled(nothing, 3, np.random.default_rng(k)).any() for k in range(8))


def test_what_is_no_single_unet_is_refused(a_generator: ModelCard) -> None:
    with pytest.raises(BadInput, match="U-Net"):
        clicker_of(a_generator, "x")


def test_a_model_of_voxels_of_any_size_is_refused(a_card: ModelCard) -> None:
    loose = replace(a_card.preprocessing, spacing_mm=(1.0, 1.0, 0.0))
    with pytest.raises(BadInput, match="mm"):
        clicker_of(replace(a_card, preprocessing=loose), "x")


def test_kind_and_network_of_a_card_belong_together(a_card: ModelCard) -> None:
    with pytest.raises(BadCard, match="refinement"):
        replace(a_card, kind="refinement")
    with pytest.raises(BadCard, match="refinement"):
        replace(clicker_of(a_card, "x"), kind="segmentation")
