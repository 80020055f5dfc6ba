"""Cases of latent diffusion: the same by seed, for given label maps, watched, and announced."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from verisim.card import ModelCard, write_model
from verisim.errors import BadInput
from verisim.networks.latent_diffusion import LatentDiffusion, LatentGenerator
from verisim.networks.weights import weights_of
from verisim.synthesis import Synthesizer
from verisim.synthesis.pace import hint, seconds_a_case
from verisim.training.augmentation import seeded
from verisim.training.kinds import generator_of
from verisim.volume import LabelMap

PLAN = LatentDiffusion(
    (4, 4, 8, 8), ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)), ((3, 3, 3),) * 4, latents=2
)


@pytest.fixture
def latent(a_generator: ModelCard, tmp_path: Path) -> ModelCard:
    """A tiny latent diffusion model with weights of a fixed seed."""
    card = replace(a_generator, name="tiny-latent", network=PLAN)
    with seeded(0):
        network = card.build()
    assert isinstance(network, LatentGenerator)
    network.remember([(12, 14, 10), (13, 15, 11), (12, 15, 12), (14, 14, 10)])
    return write_model(card, weights_of(network), tmp_path / "models")


def test_the_same_number_gives_the_same_case(latent: ModelCard) -> None:
    alone = next(iter(Synthesizer(latent)([1])))
    beside = list(Synthesizer(latent)([0, 1]))
    assert np.array_equal(alone.volume.array, beside[1].volume.array)
    assert np.array_equal(alone.label_map.array, beside[1].label_map.array)
    assert not np.array_equal(alone.label_map.array, beside[0].label_map.array)
    assert alone.evaluations == 6, "three steps, guided"


def test_an_image_is_made_for_a_given_label_map_of_any_size(latent: ModelCard) -> None:
    array = np.zeros((13, 9, 11), np.uint8)
    array[3:8, 2:7, 4:9] = 1
    given = LabelMap(array, np.eye(4), latent.labels)
    (case,) = Synthesizer(latent)(range(1), [given])
    assert case.volume.spatial_shape == array.shape
    assert np.array_equal(case.label_map.array, array)


def test_a_label_map_larger_than_the_patch_is_refused(latent: ModelCard) -> None:
    given = LabelMap(np.zeros((17, 9, 9), np.uint8), np.eye(4), latent.labels)
    with pytest.raises(BadInput, match="16×16×16 at most"):
        list(Synthesizer(latent)(range(1), [given]))


def test_who_watches_sees_labels_and_then_a_decoded_image_now_and_then(latent: ModelCard) -> None:
    shown: list[torch.Tensor] = []
    watched = Synthesizer(latent, watch=lambda picture: shown.append(picture.clone()))
    (case,) = watched(range(1))
    (alone,) = Synthesizer(latent)(range(1))
    assert np.array_equal(case.volume.array, alone.volume.array), "watching changes nothing"
    # two guesses of the labels on their grid; of three guesses of the image the first
    assert [tuple(one.shape) for one in shown] == [(8, 8, 8), (8, 8, 8), (16, 16, 16)]


def test_slices_are_made_by_the_same_code(latent: ModelCard, tmp_path: Path) -> None:
    strides = ((1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 1))
    plan = LatentDiffusion((4, 4, 8, 8), strides, ((3, 3, 1),) * 4, latents=2)
    card = replace(latent, name="slices", network=plan, patch_size=(16, 24, 1))
    network = card.build()
    assert isinstance(network, LatentGenerator)
    network.remember([(12, 14, 1), (13, 20, 1), (12, 15, 1)])
    (case,) = Synthesizer(write_model(card, weights_of(network), tmp_path))(range(1))
    assert case.volume.spatial_shape[2] == 1


def test_a_generator_of_large_volumes_is_announced_beside_latent_diffusion(
    a_card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    unet = replace(
        a_card.network, features=(2, 2, 2, 2), strides=PLAN.strides, kernel_sizes=PLAN.kernel_sizes
    )
    planned = replace(a_card, network=unet, training=None)
    voxels, latent = (generator_of(planned, kind=kind) for kind in ("diffusion", "latent"))
    assert isinstance(latent.network, LatentDiffusion)
    assert latent.description.endswith("by latent diffusion.")
    assert hint(voxels) == "" == hint(latent), "a small patch"
    monkeypatch.setattr("verisim.synthesis.pace.LARGE", 100)
    assert hint(latent) == ""
    assert hint(generator_of(planned, joint=True)) == ""
    said = hint(voxels)
    assert said.startswith("A case of 16×16×16 voxels will take about ")
    assert "--network latent" in said


def test_the_pace_grows_with_the_steps(latent: ModelCard) -> None:
    assert latent.generation is not None
    few, many = (
        seconds_a_case(replace(latent, generation=replace(latent.generation, steps=n)))  # type: ignore[call-arg]
        for n in (1, 200)
    )
    assert 0 < few < many
