"""Probabilities are made to mean what they say, by a temperature and by shares."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cli.conftest import write_dataset
from tests.conftest import affine_of
from verisim.calibrating import calibrated, likeliest
from verisim.card import ModelCard, read_card, write_card
from verisim.dataset import open_dataset
from verisim.diffusion_segmenter import DiffusionSegmenter
from verisim.ensembles import EnsembleSegmenter, segmenter_of
from verisim.errors import BadCard, BadDataset
from verisim.fractions import Fractions, as_fractions
from verisim.maps import Maps
from verisim.postprocessing import softmax, tempered
from verisim.progress import SILENT, Progress
from verisim.segmentation import Segmentation
from verisim.volume import Volume

NOISE = np.random.default_rng(1).normal(size=(26, 20, 18)).astype(np.float32)
VOLUME = Volume(NOISE, affine_of((1.0, 1.2, 1.0), (4.0, -3.0, 8.0), degrees=20))


def drawn(count: int = 60_000, size: float = 2.0, seed: int = 0) -> torch.Tensor:
    """Logits (3, N)."""
    return size * torch.randn(3, count, generator=torch.Generator().manual_seed(seed))


def truth_of(probabilities: torch.Tensor) -> torch.Tensor:
    """Classes (N,), each as often as its probability (K, N) says."""
    generator = torch.Generator().manual_seed(9)
    return torch.multinomial(probabilities.T, 1, generator=generator)[:, 0]


def test_a_temperature_divides_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(softmax(logits), softmax(logits, 1.0))
    for temperature in (0.5, 2.0):
        expected = softmax(logits / temperature)
        np.testing.assert_allclose(softmax(logits, temperature), expected, atol=1e-6)
        found = tempered(softmax(logits), temperature)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_array_equal(found.argmax(0), logits.argmax(0))
    assert tempered(logits, 1.0) is logits


@pytest.mark.parametrize("kind", ["a_trained_model", "a_diffusion_model"])
def test_a_temperature_changes_probabilities_and_no_label(
    kind: str, request: pytest.FixtureRequest
) -> None:
    card: ModelCard = request.getfixturevalue(kind)
    answers = [
        segmenter_of(one, maps=("probability",))(VOLUME)
        for one in (card, replace(card, temperature=3.0))
    ]
    np.testing.assert_array_equal(answers[0].label_map.array, answers[1].label_map.array)
    assert answers[1].certainty < answers[0].certainty


def test_samples_are_averaged_before_they_have_a_temperature(
    a_diffusion_model: ModelCard,
) -> None:
    plain, warm = (
        DiffusionSegmenter(replace(a_diffusion_model, temperature=t)) for t in (1.0, 2.0)
    )
    seen = plain.look(VOLUME)
    mean, found = (np.concatenate(list(one.probabilities(seen)), axis=1) for one in (plain, warm))
    np.testing.assert_allclose(found, tempered(mean, 2.0), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_what_is_no_temperature_is_refused(a_card: ModelCard, temperature: float) -> None:
    with pytest.raises(BadCard, match="temperature"):
        replace(a_card, temperature=temperature)


@pytest.mark.parametrize("shares", [(1.0,), (0.7, 0.7), (1.5, -0.5)])
def test_what_are_no_shares_is_refused(a_card: ModelCard, shares: tuple[float, ...]) -> None:
    with pytest.raises(BadCard, match="shares"):
        replace(a_card, ensemble=("one", "other"), shares=shares)


@pytest.mark.parametrize("true", [0.7, 1.0, 2.5])
def test_the_temperature_that_made_the_truth_is_found(true: float) -> None:
    logits = drawn()
    found = likeliest(logits.softmax(0)[None], truth_of((logits / true).softmax(0)))
    assert found.temperature == pytest.approx(true, rel=0.03)
    assert found.shares == (1.0,)
    assert found.after <= found.before
    assert f"{found.temperature:g}" in found.told


def test_the_shares_that_made_the_truth_are_found() -> None:
    one, other = drawn().softmax(0), drawn(seed=1).softmax(0)
    found = likeliest(torch.stack([one, other]), truth_of(0.8 * one + 0.2 * other))
    assert found.shares == pytest.approx((0.8, 0.2), abs=0.03)
    assert sum(found.shares) == pytest.approx(1, abs=1e-9)
    assert found.temperature == pytest.approx(1, abs=0.03)


def test_a_model_that_says_nothing_gets_no_share() -> None:
    one = drawn().softmax(0)
    useless = torch.full_like(one, 1 / 3)
    assert likeliest(torch.stack([one, useless]), truth_of(one)).shares[0] > 0.95


@dataclass(frozen=True)
class Telling:
    """A segmenter that tells the same probability of a label inside its truth, and outside."""

    card: ModelCard
    inside: float

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        bright = volume.array > volume.array.mean()
        told = {
            name: Fractions(as_fractions(np.where(bright, self.inside / 2, 0.05)), volume.affine)
            for name in self.card.labels
        }
        label_map = segmenter_of(self.card)(volume).label_map
        return Segmentation(label_map, 1.0, {}, maps=Maps(told))


def test_cases_are_compared_near_their_labels(a_trained_model: ModelCard, tmp_path: Path) -> None:
    dataset = open_dataset(write_dataset(tmp_path / "boxes"))
    found = calibrated([Telling(a_trained_model, 0.9)], dataset, "val")
    assert found.temperature != 1
    assert found.after < found.before


def test_every_label_must_be_known(a_trained_model: ModelCard, tmp_path: Path) -> None:
    dataset = open_dataset(write_dataset(tmp_path / "boxes"))
    more = replace(
        a_trained_model,
        labels={**a_trained_model.labels, "amygdala": 3},
        colors={**a_trained_model.colors, "amygdala": (0.1, 0.2, 0.3)},
    )
    with pytest.raises(BadDataset, match="amygdala"):
        calibrated([Telling(more, 0.9)], dataset, "val")


def test_an_ensemble_weighs_its_models_as_they_are_and_has_one_temperature(
    a_trained_model: ModelCard, a_diffusion_model: ModelCard
) -> None:
    """Temperatures of its models do not matter, its own does, and the shares do."""
    folder = a_trained_model.folder
    warm = write_card(replace(a_trained_model, temperature=4.0))
    pair = replace(
        a_trained_model,
        name="pair",
        ensemble=(warm.name, a_diffusion_model.name),
        shares=(0.9, 0.1),
        temperature=2.0,
    )
    answer = segmenter_of(pair, folders=(folder,), maps=("probability",))(VOLUME)
    parts = [
        segmenter_of(replace(one, temperature=1.0), maps=("probability",))(VOLUME)
        for one in (warm, a_diffusion_model)
    ]
    classes = []
    for part in parts:
        labels = np.stack([one.values for one in part.maps.probability.values()])
        classes.append(np.concatenate([1 - labels.sum(0, keepdims=True), labels]))
    expected = tempered(0.9 * classes[0] + 0.1 * classes[1], 2.0)[1:]
    found = np.stack([one.values for one in answer.maps.probability.values()])
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert isinstance(segmenter_of(pair, folders=(folder,)), EnsembleSegmenter)


def test_the_card_keeps_both(a_trained_model: ModelCard) -> None:
    pair = replace(a_trained_model, ensemble=("a", "b"), shares=(0.25, 0.75), temperature=1.3)
    assert read_card(write_card(pair).card_path) == pair
