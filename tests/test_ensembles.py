"""Several models answer as one; a second stage hears the first."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from verisim.card import ModelCard, write_model
from verisim.ensembles import EnsembleSegmenter, segmenter_of
from verisim.errors import BadCard, NotFound
from verisim.networks.averaged import Average, Mirrored, Skipping
from verisim.networks.weights import weights_of
from verisim.segmentation import NetworkSegmenter
from verisim.training.augmentation import seeded
from verisim.volume import Volume

VOLUME = Volume(np.random.default_rng(0).normal(size=(22, 18, 20)), np.diag([-1.0, 1, 1.2, 1]))


@pytest.fixture(autouse=True)
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding to bfloat16 would hide what is the same."""
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: False)


def a_network(card: ModelCard, seed: int) -> nn.Module:
    with seeded(seed):
        return card.build().eval()


def written(card: ModelCard, folder: Path, seed: int) -> ModelCard:
    return write_model(card, weights_of(a_network(card, seed)), folder)


@pytest.fixture
def pair(a_card: ModelCard, tmp_path: Path) -> tuple[ModelCard, ModelCard]:
    """Two models of one data set."""
    one, two = (
        written(replace(a_card, name=name), tmp_path, seed)
        for seed, name in enumerate(("one", "two"))
    )
    return one, two


def probabilities(segmenter: NetworkSegmenter) -> np.ndarray:
    return np.concatenate(list(segmenter.probabilities(segmenter.look(VOLUME))), axis=1)


def test_members_in_one_file_answer_with_their_mean(a_card: ModelCard, tmp_path: Path) -> None:
    networks = [a_network(a_card, seed) for seed in range(3)]
    card = write_model(replace(a_card, members=3), weights_of(Average(networks)), tmp_path)
    patch = torch.randn(2, 1, 16, 16, 16)
    with torch.inference_mode():
        expected = torch.stack([network(patch) for network in networks]).mean(0)
        torch.testing.assert_close(card.load()(patch), expected)


def test_the_mean_of_a_network_with_itself_is_the_network(a_card: ModelCard) -> None:
    network = a_network(a_card, 0)
    patch = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(Average([network, network])(patch), network(patch))


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
def test_a_mirrored_network_gives_the_mirrored_answer(
    a_card: ModelCard, axes: Sequence[int]
) -> None:
    mirrored = Mirrored(a_network(a_card, 0), axes)
    patch = torch.randn(1, 1, 16, 16, 16)
    assert len(mirrored.flips) == 2 ** len(axes) - 1
    with torch.inference_mode():
        for axis in axes:
            there = mirrored(patch.flip(axis + 2)).flip(axis + 2)
            torch.testing.assert_close(there, mirrored(patch), atol=1e-5, rtol=1e-4)


def test_mirroring_is_asked_for_by_the_card_or_by_the_caller(a_trained_model: ModelCard) -> None:
    able = replace(a_trained_model, mirrored_axes=(0, 1))
    plain, asked = NetworkSegmenter(able), NetworkSegmenter(able, mirroring=True)
    by_card = NetworkSegmenter(replace(able, mirroring=True))
    refused = NetworkSegmenter(replace(able, mirroring=True), mirroring=False)
    np.testing.assert_array_equal(probabilities(asked), probabilities(by_card))
    np.testing.assert_array_equal(probabilities(plain), probabilities(refused))
    assert not np.array_equal(probabilities(plain), probabilities(asked))


def test_an_ensemble_averages_the_probabilities_of_its_models(
    pair: tuple[ModelCard, ModelCard],
) -> None:
    card = replace(pair[0], name="both", ensemble=("one", "two"), sha256="")
    answer = segmenter_of(card)(VOLUME)
    mean = sum(probabilities(NetworkSegmenter(one)) for one in pair) / 2
    turned = answer.label_map.reoriented("RAS").array
    margin = np.sort(mean, axis=0)[-1] - np.sort(mean, axis=0)[-2]
    clear = margin > 2e-3  # sums in half precision may turn a tie
    np.testing.assert_array_equal(turned[clear], mean.argmax(axis=0)[clear])
    assert clear.mean() > 0.9


def test_an_ensemble_of_one_model_twice_is_that_model(pair: tuple[ModelCard, ModelCard]) -> None:
    card = replace(pair[0], name="twice", ensemble=("one", "one"), sha256="")
    twice, once = segmenter_of(card), segmenter_of(pair[0])
    assert isinstance(twice, EnsembleSegmenter)
    same = twice(VOLUME).label_map.array == once(VOLUME).label_map.array
    assert same.mean() > 0.999
    assert twice(VOLUME).certainty == pytest.approx(once(VOLUME).certainty, abs=1e-3)


def test_models_of_another_data_set_do_not_answer_together(
    pair: tuple[ModelCard, ModelCard], tmp_path: Path
) -> None:
    written(replace(pair[0], name="other", channels=("CT",)), tmp_path, 2)
    card = replace(pair[0], name="both", ensemble=("one", "other"), sha256="")
    with pytest.raises(BadCard, match="other v1 has other labels, channels or axes"):
        segmenter_of(card)


def test_a_model_that_is_not_installed_is_named(pair: tuple[ModelCard, ModelCard]) -> None:
    card = replace(pair[0], name="both", ensemble=("one", "three"), sha256="")
    with pytest.raises(NotFound, match="'three'"):
        segmenter_of(card)


def test_the_second_stage_of_a_cascade_is_given_the_labels_of_the_first(
    pair: tuple[ModelCard, ModelCard], tmp_path: Path
) -> None:
    second = written(replace(pair[0], name="second", previous="one"), tmp_path, 5)
    segmenter = segmenter_of(second)
    assert isinstance(segmenter, NetworkSegmenter)
    first = segmenter_of(pair[0])(VOLUME).label_map
    seen = segmenter.look(VOLUME).prepared
    assert seen.channels == 3
    placed = first.resampled_like(seen)
    for channel, name in zip(seen.array[1:], ("anterior", "posterior"), strict=True):
        np.testing.assert_array_equal(channel, placed.binary(name))
    assert segmenter(VOLUME).label_map.shares_grid(VOLUME)


def test_stages_that_name_each_other_are_refused(
    pair: tuple[ModelCard, ModelCard], tmp_path: Path
) -> None:
    first = written(replace(pair[0], name="first", previous="second"), tmp_path, 5)
    written(replace(pair[0], name="second", previous="first"), tmp_path, 6)
    with pytest.raises(BadCard, match="second v1 cannot be the first stage of first v1"):
        segmenter_of(first)


def test_single_precision_computes_alike_whatever_the_processor_has(
    a_trained_model: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = probabilities(NetworkSegmenter(a_trained_model))
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: True)
    monkeypatch.setattr("verisim.precision.FLIPPED", 1.0)  # every rounding is taken
    rough = probabilities(NetworkSegmenter(a_trained_model))
    exact = probabilities(NetworkSegmenter(a_trained_model, precision="single"))
    np.testing.assert_array_equal(exact, expected)
    assert not np.array_equal(rough, expected)


def test_a_large_volume_unlike_the_training_is_looked_at_by_one_network_only(
    a_card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = [a_network(a_card, seed) for seed in range(2)]
    mirrored = replace(a_card, mirrored_axes=(0, 1), mirroring=True)
    both = replace(mirrored, name="both", members=2)
    card = write_model(both, weights_of(Average(networks)), tmp_path)
    first = write_model(a_card, weights_of(networks[0]), tmp_path)
    monkeypatch.setattr("verisim.segmentation.MANY_PATCHES", 0)
    large = Volume(np.random.default_rng(0).normal(size=(70, 18, 20)), np.eye(4))

    def looked_at(one: ModelCard, volume: Volume) -> np.ndarray:
        segmenter = NetworkSegmenter(one)
        rows = segmenter.probabilities(segmenter.look(volume))
        return np.concatenate(list(rows), axis=1)

    np.testing.assert_array_equal(looked_at(card, large), looked_at(first, large))
    assert not np.array_equal(looked_at(card, VOLUME), looked_at(first, VOLUME))


def test_patches_of_one_value_are_background_without_a_network() -> None:
    class Never(torch.nn.Module):
        def forward(self, patches: torch.Tensor) -> torch.Tensor:
            raise AssertionError("the network was asked")

    probabilities = Skipping(Never(), 3)(torch.full((2, 1, 4, 4, 4), -1.5)).softmax(1)
    assert probabilities.shape == (2, 3, 4, 4, 4)
    assert (probabilities[:, 0] > 0.999).all()
    with pytest.raises(AssertionError, match="was asked"):
        Skipping(Never(), 3)(torch.linspace(0, 1, 64).reshape(1, 1, 4, 4, 4))
