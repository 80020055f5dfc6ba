"""Several models become one, in one file where they can."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from verisim.card import ModelCard, read_card, write_model
from verisim.errors import BadInput
from verisim.joining import join
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.training.augmentation import seeded


def written(card: ModelCard, folder: Path, seed: int) -> ModelCard:
    with seeded(seed):
        return write_model(card, weights_of(card.build()), folder)


@pytest.fixture
def pair(a_card: ModelCard, tmp_path: Path) -> list[ModelCard]:
    """Two trained models of one network."""
    return [written(replace(a_card, name=n), tmp_path, k) for k, n in enumerate(("one", "two"))]


def test_models_of_one_network_become_members_of_one_file(
    pair: list[ModelCard], tmp_path: Path
) -> None:
    card = join(pair, "both", tmp_path)
    assert (card.members, card.ensemble) == (2, ())
    assert read_card(card.card_path) == card
    patch = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        expected = (pair[0].load()(patch) + pair[1].load()(patch)) / 2
        torch.testing.assert_close(card.load()(patch), expected)


def test_members_of_ensembles_count_each(pair: list[ModelCard], tmp_path: Path) -> None:
    both = join(pair, "both", tmp_path)
    three = join([both, pair[0]], "three", tmp_path)
    assert three.members == 3
    patch = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        expected = (2 * both.load()(patch) + pair[0].load()(patch)) / 3
        torch.testing.assert_close(three.load()(patch), expected)


def test_half_precision_takes_half_the_space_and_answers_alike(
    pair: list[ModelCard], tmp_path: Path
) -> None:
    full, half = join(pair, "full", tmp_path), join(pair, "half", tmp_path, half=True)
    size = half.weights_path.stat().st_size / full.weights_path.stat().st_size
    assert size < 0.75  # names and the card are as long
    patch = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(half.load()(patch), full.load()(patch), atol=2e-2, rtol=1e-2)


def test_models_of_different_networks_are_named(
    pair: list[ModelCard], a_card: ModelCard, tmp_path: Path
) -> None:
    deep = UNet((4, 8, 8), ((1, 1, 1), (2, 2, 2), (2, 2, 2)), ((3, 3, 3),) * 3, 1)
    other = written(replace(a_card, name="deep", network=deep), tmp_path, 3)
    card = join([pair[0], other], "both", tmp_path)
    assert card.ensemble == ("one", "deep")
    assert read_card(card.card_path) == card


def test_the_record_tells_of_all(pair: list[ModelCard], tmp_path: Path) -> None:
    assert pair[0].training is not None
    longer = replace(
        pair[0].training, iterations=9, extent_mm=((10.0, 20.0, 16.0), (30.0, 50.0, 40.0))
    )
    card = join([replace(pair[0], training=longer), pair[1]], "both", tmp_path)
    assert card.training is not None
    assert card.training.iterations == 10
    assert card.training.extent_mm == ((10.0, 16.0, 16.0), (40.0, 50.0, 40.0))
    assert card.figures == {}  # measured of none of its members


def test_what_does_not_belong_together_is_refused(pair: list[ModelCard], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="one model"):
        join(pair[:1], "both", tmp_path)
    with pytest.raises(BadInput, match="different labels or channels"):
        join([pair[0], replace(pair[1], channels=("CT",))], "both", tmp_path)
    with pytest.raises(BadInput, match="made of several"):
        join([pair[0], replace(pair[1], ensemble=("a", "b"))], "both", tmp_path)
