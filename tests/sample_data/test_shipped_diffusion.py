"""The diffusion model that comes with the package: it finds, it looks, and its doubt is low."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.samples import IMAGE, LABEL
from verisim.diffusion import DDIM
from verisim.diffusion_segmenter import DiffusionSegmenter
from verisim.ensembles import segmenter_of
from verisim.files import read, read_label_map
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import compare, dice
from verisim.networks.mask_sampler import MaskSampler, clean_mask
from verisim.sampling_wish import SamplingWish
from verisim.volume import LabelMap, Volume


@pytest.fixture(scope="module")
def segmenter() -> DiffusionSegmenter:
    """The shipped model, ready."""
    card = find_card("hippocampus-medsegdiff", SHIPPED_MODELS)
    return DiffusionSegmenter(card, maps=("uncertainty",), kept=True)


@pytest.fixture(scope="module")
def truth(segmenter: DiffusionSegmenter) -> LabelMap:
    """Of the sample."""
    return read_label_map(LABEL, segmenter.card.labels)


def a_sample() -> Volume:
    return read(IMAGE)


def test_a_sample_is_segmented_in_the_right_place(
    segmenter: DiffusionSegmenter, truth: LabelMap
) -> None:
    answer = segmenter(a_sample())
    for agreement in compare(answer.label_map, truth):
        assert agreement.dice > 0.86
        assert agreement.hausdorff95_mm < 3
    assert answer.warnings == ()
    assert answer.sampled is not None
    assert answer.sampled.agreement > 0.9
    assert answer.maps.uncertainty is not None
    doubt, wrong = answer.maps.uncertainty.values, answer.label_map.array != truth.array
    assert doubt[wrong].mean() > 6 * doubt[~wrong].mean()


def test_the_same_seed_gives_the_same_answer(segmenter: DiffusionSegmenter) -> None:
    card = segmenter.card
    one, again, other = (
        segmenter_of(card, wish=SamplingWish(seed=seed))(a_sample()).sampled for seed in (3, 3, 4)
    )
    assert one == again
    assert one != other


def test_an_image_replaced_by_noise_costs_most_of_the_dice(
    segmenter: DiffusionSegmenter, truth: LabelMap
) -> None:
    sample = a_sample()
    noise = np.random.default_rng(0).normal(size=sample.array.shape).astype(np.float32)
    seeing, blind = (segmenter(one).label_map for one in (sample, sample.new(noise)))
    assert _mean_dice(seeing, truth) > 0.86
    assert _mean_dice(blind, truth) < 0.4 * _mean_dice(seeing, truth)


def _mean_dice(found: LabelMap, truth: LabelMap) -> float:
    return float(np.mean([dice(found.binary(n), truth.binary(n)) for n in truth.labels]))


@torch.inference_mode()
def test_a_truncated_start_is_told_beside_its_prior(
    segmenter: DiffusionSegmenter, truth: LabelMap
) -> None:
    """From a spoilt prior it must come nearer to the truth, and not hand the prior back."""
    sampler = segmenter.members[0]
    image = _patch(torch.tensor(segmenter.look(a_sample()).prepared.array)[None])
    labels = _patch(torch.tensor(truth.array.astype(np.int64))[None, None])
    prior = 2 * functional.one_hot(labels[:, 0].roll(3, dims=2), 3).movedim(-1, 1).float() - 1
    found = _from(sampler, prior, image, start=0.6)
    assert _dice(found, labels) > _dice(prior, labels) + 0.05


def _from(sampler: MaskSampler, prior: Tensor, image: Tensor, start: float) -> Tensor:
    schedule, sampling = sampler.sampling.noise, sampler.sampling
    noise = torch.randn(prior.shape, generator=torch.Generator().manual_seed(0))
    noisy = schedule.noised(prior, noise, torch.tensor([start]))

    def denoised(noisy: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return clean_mask(sampler.denoiser(noisy, t, condition), noisy, t, sampling)

    return DDIM(denoised, schedule).sample(noisy, image, steps=2, start=start)


def _patch(array: Tensor) -> Tensor:
    """Padded with zeros to the patch of the network."""
    missing = [side - n for side, n in zip((40, 56, 40), array.shape[2:], strict=True)]
    padding = [side for m in reversed(missing) for side in (m // 2, m - m // 2)]
    return functional.pad(array, padding)


def _dice(masks: Tensor, labels: Tensor) -> float:
    found = masks.argmax(dim=1).numpy()
    return float(np.mean([dice(found == v, labels[:, 0].numpy() == v) for v in (1, 2)]))


def test_the_card_says_what_the_weights_are(segmenter: DiffusionSegmenter) -> None:
    card = segmenter.card
    assert card.weights_path.stat().st_size <= 15_000_000
    assert card.training is not None
    assert card.training.licence == "CC-BY-SA 4.0"
    assert card.sampling is not None
    # at least a thousand times fewer evaluations than 25 samples of 1000 steps
    assert card.sampling.samples * card.sampling.steps <= 25
