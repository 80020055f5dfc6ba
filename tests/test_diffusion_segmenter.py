"""Diffusion answers as any other model does, and says what its samples disagree on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import affine_of
from verisim.card import ModelCard, read_card, write_card, write_model
from verisim.diffusion_segmenter import DiffusionSegmenter
from verisim.ensembles import segmenter_of
from verisim.errors import BadCard, BadInput, Cancelled, Diverged, WrongChannels
from verisim.metrics import dice
from verisim.networks.weights import weights_of
from verisim.rescued_segmenter import RescuedSegmenter
from verisim.sampling_wish import SamplingWish
from verisim.volume import Volume

NOISE = np.random.default_rng(1).normal(size=(26, 20, 18)).astype(np.float32)
VOLUME = Volume(NOISE, affine_of((1.0, 1.2, 1.0), (4.0, -3.0, 8.0), degrees=20))


class Heard:
    """Remembers how far the work was, and stops it at a call."""

    def __init__(self, stop: int = 10**9) -> None:
        self.shares: list[float] = []
        self.stop = stop

    def advance(self, done: int, total: int, message: str = "") -> None:
        self.shares.append(done / total)
        if len(self.shares) >= self.stop:
            raise Cancelled("Enough.", "Ask again.")


@pytest.fixture
def segmenter(a_diffusion_model: ModelCard) -> DiffusionSegmenter:
    """The tiny diffusion model, exactly."""
    return DiffusionSegmenter(a_diffusion_model, precision="single", kept=True)


def test_the_answer_lies_on_the_voxels_of_the_question(segmenter: DiffusionSegmenter) -> None:
    answer = segmenter(VOLUME)
    assert answer.sampled is not None
    for label_map in (answer.label_map, *answer.sampled.label_maps):
        assert label_map.spatial_shape == VOLUME.spatial_shape
        np.testing.assert_array_equal(label_map.affine, VOLUME.affine)
    assert len(answer.sampled.label_maps) == 3


def test_volumes_are_those_of_the_samples(segmenter: DiffusionSegmenter) -> None:
    sampled = segmenter(VOLUME).sampled
    assert sampled is not None
    for name, volumes in sampled.volumes_ml.items():
        kept = [one.volumes_ml[name] for one in sampled.label_maps]
        assert volumes == pytest.approx(kept, abs=1e-6)
    # patches, samples, steps
    assert sampled.evaluations == 12 * 3 * 2
    assert len(set(sampled.volumes_ml["anterior"])) > 1


def test_the_same_seed_gives_the_same_answer(a_diffusion_model: ModelCard) -> None:
    def answer(seed: int) -> np.ndarray:
        wish = SamplingWish(seed=seed)
        segmenter = segmenter_of(a_diffusion_model, maps=("uncertainty",), wish=wish)
        maps = segmenter(VOLUME).maps
        assert maps.uncertainty is not None
        return maps.uncertainty.values

    np.testing.assert_array_equal(answer(5), answer(5))
    assert not np.array_equal(answer(5), answer(6))


def test_patches_one_at_a_time_give_the_same_answer(a_diffusion_model: ModelCard) -> None:
    together, alone = (
        DiffusionSegmenter(a_diffusion_model, precision="single", alone=alone)(VOLUME)
        for alone in (False, True)
    )
    differing = together.label_map.array != alone.label_map.array
    assert differing.mean() < 1e-4


def test_progress_tells_every_step_and_never_falls(segmenter: DiffusionSegmenter) -> None:
    heard = Heard()
    segmenter(VOLUME, heard)
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] == 1
    assert len(set(heard.shares)) > 8


def test_it_can_be_cancelled_between_two_steps(segmenter: DiffusionSegmenter) -> None:
    with pytest.raises(Cancelled):
        segmenter(VOLUME, Heard(stop=5))


def test_other_channels_are_refused(segmenter: DiffusionSegmenter) -> None:
    with pytest.raises(WrongChannels):
        segmenter(Volume(np.stack([NOISE, NOISE]), VOLUME.affine))


def test_a_wish_changes_samples_and_steps_and_loads_nothing_anew(
    a_diffusion_model: ModelCard,
) -> None:
    wish = SamplingWish(samples=2, steps=1)
    sampled = segmenter_of(a_diffusion_model, wish=wish)(VOLUME).sampled
    assert sampled is not None
    assert sampled.evaluations == 12 * 2
    assert len(sampled.volumes_ml["anterior"]) == 2


@pytest.mark.parametrize("wish", [SamplingWish(samples=0), SamplingWish(steps=-1)])
def test_wishes_out_of_bounds_are_refused(
    a_diffusion_model: ModelCard, wish: SamplingWish
) -> None:
    with pytest.raises(BadInput, match="cannot be taken"):
        wish.check((a_diffusion_model,))


def test_samples_of_a_network_that_has_none_are_refused(a_trained_model: ModelCard) -> None:
    SamplingWish().check((a_trained_model,))
    with pytest.raises(BadInput, match="without samples"):
        SamplingWish(samples=4).check((a_trained_model,))


def test_a_network_and_a_diffusion_model_answer_together(
    a_diffusion_model: ModelCard, a_trained_model: ModelCard
) -> None:
    folder = a_diffusion_model.folder
    pair = replace(a_trained_model, name="pair", ensemble=("tiny", "tiny-diffusion"), sha256="")
    both = RescuedSegmenter(replace(pair, folder=folder), maps=("probability",))
    alone = [
        segmenter_of(one, maps=("probability",)) for one in (a_trained_model, a_diffusion_model)
    ]
    mean = sum(one(VOLUME).maps.probability["anterior"].values for one in alone) / 2
    found = both(VOLUME).maps.probability["anterior"].values
    np.testing.assert_allclose(found, mean, atol=3e-3)


def test_networks_of_one_model_share_the_samples(
    a_diffusion_model: ModelCard, tmp_path: Path
) -> None:
    weights = weights_of(a_diffusion_model.load())
    twice = {f"members.{k}.{name}": one.clone() for k in range(2) for name, one in weights.items()}
    both = write_model(replace(a_diffusion_model, members=2), twice, tmp_path)
    found = segmenter_of(both, wish=SamplingWish(samples=5), precision="single")(VOLUME).sampled
    alone = segmenter_of(a_diffusion_model, wish=SamplingWish(samples=3), precision="single")(
        VOLUME
    ).sampled
    assert found is not None
    assert alone is not None
    for name, volumes in found.volumes_ml.items():
        first = alone.volumes_ml[name]
        assert volumes == pytest.approx((*first, *first[:2]))


def test_a_truncated_start_is_told_beside_the_prior_it_started_from(
    a_diffusion_model: ModelCard, a_trained_model: ModelCard
) -> None:
    wish = SamplingWish(anchor="tiny", start=0.4)
    heard = Heard()
    answer = segmenter_of(a_diffusion_model, wish=wish)(VOLUME, heard)
    alone = segmenter_of(a_trained_model)(VOLUME).label_map
    assert answer.sampled is not None
    prior = answer.sampled.prior
    assert prior is not None
    assert prior.model == "tiny v1"
    assert prior.volumes_ml == pytest.approx(alone.volumes_ml)
    for name, shared in prior.dice.items():
        assert shared == pytest.approx(dice(alone.binary(name), answer.label_map.binary(name)))
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] == 1
    free = segmenter_of(a_diffusion_model)(VOLUME)
    assert free.sampled is not None
    assert free.sampled.prior is None
    assert not np.array_equal(free.label_map.array, answer.label_map.array)


@pytest.mark.parametrize("anchor", ["tiny-diffusion", "other"])
def test_an_anchor_has_the_same_labels_and_does_not_sample(
    a_diffusion_model: ModelCard, a_card: ModelCard, anchor: str
) -> None:
    other = replace(a_card, name="other", labels={"left": 1, "right": 2}, colors={})
    write_model(other, weights_of(other.build()), a_diffusion_model.folder)
    with pytest.raises(BadCard, match="cannot be the anchor"):
        segmenter_of(a_diffusion_model, wish=SamplingWish(anchor=anchor))


@pytest.mark.parametrize("start", [0.0, 1.0, -0.3])
def test_a_start_is_between_the_mask_and_the_noise(
    a_diffusion_model: ModelCard, start: float
) -> None:
    with pytest.raises(BadInput, match="start at the time"):
        SamplingWish(start=start).check((a_diffusion_model,))


def test_a_card_keeps_how_it_samples(a_diffusion_model: ModelCard, tmp_path: Path) -> None:
    card = write_card(replace(a_diffusion_model, folder=tmp_path))
    assert read_card(card.card_path) == card


def test_a_card_says_how_it_samples_if_and_only_if_it_does(
    a_diffusion_model: ModelCard, a_card: ModelCard
) -> None:
    with pytest.raises(BadCard, match="sampled"):
        replace(a_diffusion_model, sampling=None)
    with pytest.raises(BadCard, match="sampled"):
        replace(a_card, sampling=a_diffusion_model.sampling)


def test_a_diverging_network_is_an_error(a_diffusion_model: ModelCard) -> None:
    segmenter = DiffusionSegmenter(a_diffusion_model)
    for parameter in segmenter.members[0].parameters():
        parameter.data.fill_(np.nan)
    with pytest.raises(Diverged, match="Step 1 of 2"):
        segmenter(VOLUME)
