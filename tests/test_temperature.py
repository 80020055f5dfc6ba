"""The temperature that a model's probabilities are made with, found beside the truth."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cli.conftest import write_dataset
from tests.conftest import affine_of
from verisim.card import ModelCard, write_card
from verisim.dataset import open_dataset
from verisim.diffusion_segmenter import DiffusionSegmenter
from verisim.ensembles import segmenter_of
from verisim.errors import BadCard, BadDataset
from verisim.evaluation import under_model_names
from verisim.postprocessing import softmax
from verisim.progress import SILENT, Progress
from verisim.segmentation import NetworkSegmenter
from verisim.sight import Seen
from verisim.temperature import TEMPERATURES, tempered
from verisim.volume import Array, Volume

NOISE = np.random.default_rng(1).normal(size=(26, 20, 18)).astype(np.float32)
VOLUME = Volume(NOISE, affine_of((1.0, 1.2, 1.0), (4.0, -3.0, 8.0), degrees=20))


def test_dividing_by_1_changes_nothing_and_by_more_makes_less_sure() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(softmax(logits), softmax(logits, 1.0))
    np.testing.assert_allclose(softmax(logits, 2.0), softmax(logits / 2), atol=1e-6)
    assert softmax(logits, 2.0).max() < softmax(logits).max()
    np.testing.assert_array_equal(softmax(logits, 2.0).argmax(0), logits.argmax(0))


def test_a_temperature_changes_probabilities_and_no_label(a_trained_model: ModelCard) -> None:
    warm = replace(a_trained_model, temperature=3.0)
    answers = [
        segmenter_of(card, maps=("probability",))(VOLUME) for card in (a_trained_model, warm)
    ]
    np.testing.assert_array_equal(answers[0].label_map.array, answers[1].label_map.array)
    assert answers[1].certainty < answers[0].certainty


def test_samples_are_made_less_sure_before_they_are_averaged(
    a_diffusion_model: ModelCard,
) -> None:
    segmenter = DiffusionSegmenter(replace(a_diffusion_model, temperature=2.0))
    seen = segmenter.look(VOLUME)
    logits = np.concatenate(list(segmenter.logits(seen)), axis=2)
    expected = torch.from_numpy(logits / 2).softmax(1).mean(0).numpy()
    found = np.concatenate(list(segmenter.probabilities(seen)), axis=1)
    assert logits.shape[0] == 3
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_what_is_no_temperature_is_refused(a_card: ModelCard, temperature: float) -> None:
    with pytest.raises(BadCard, match="temperature"):
        replace(a_card, temperature=temperature)


@pytest.mark.parametrize("true", [0.7, 2.5])
def test_the_temperature_that_made_the_truth_is_found(
    a_trained_model: ModelCard, tmp_path: Path, true: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits are made so that the truth is as likely as their softmax at that temperature."""
    dataset = open_dataset(write_dataset(tmp_path / "boxes"))
    labels = under_model_names(a_trained_model, dataset)
    truths = iter([case.pair(labels)[1] for case in dataset.split("val")])
    generator = torch.Generator().manual_seed(3)

    def logits(self: NetworkSegmenter, seen: Seen, progress: Progress = SILENT) -> Iterator[Array]:
        turned = next(truths).reoriented(seen.turned.orientation).array[seen.box]
        classes = torch.from_numpy(turned.astype(np.int64))
        drawn = 4 * torch.randn((*classes.shape, 3), generator=generator)
        # of three logits in random order, the truth gets each as often as its softmax says
        chances = (drawn / true).softmax(-1).flatten(0, -2)
        chosen = torch.multinomial(chances, 1, generator=generator).reshape(*classes.shape, 1)
        shifted = drawn.gather(-1, (chosen + torch.arange(3) - classes[..., None]) % 3)
        yield shifted.movedim(-1, 0)[None].numpy()

    monkeypatch.setattr(NetworkSegmenter, "logits", logits)
    segmenter = segmenter_of(a_trained_model)
    assert isinstance(segmenter, NetworkSegmenter)
    found = tempered(segmenter, dataset, "val")
    assert found.temperature == pytest.approx(true, rel=0.12)
    assert min(found.losses) <= found.before
    assert str(found.temperature) in found.told


def test_every_label_must_be_known(a_trained_model: ModelCard, tmp_path: Path) -> None:
    dataset = open_dataset(write_dataset(tmp_path / "boxes"))
    more = replace(
        a_trained_model,
        labels={**a_trained_model.labels, "amygdala": 3},
        colors={**a_trained_model.colors, "amygdala": (0.1, 0.2, 0.3)},
    )
    with pytest.raises(BadDataset, match="amygdala"):
        tempered(NetworkSegmenter(more, networks=lambda one, _: one.build()), dataset, "val")


def test_the_card_keeps_it(a_trained_model: ModelCard) -> None:
    card = write_card(replace(a_trained_model, temperature=TEMPERATURES[20]))
    assert f"temperature = {TEMPERATURES[20]}" in card.card_path.read_text()
