"""Copies are found where they were moved to; strangers are not."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.audit.people import FLAT, SHAPE, people
from verisim.audit.candidates import tiles
from verisim.audit.changes import (
    Change,
    Sample,
    bias_field,
    flip,
    gamma,
    inversion,
    noise,
    rotation,
    shift,
    turn,
    zoom,
)
from verisim.audit.collection import Collection
from verisim.audit.heat_map import agreement_of, laid_onto
from verisim.audit.laying import Laying
from verisim.audit.likeness import Likeness
from verisim.audit.masks import MaskOverlap
from verisim.audit.measures import default_measures
from verisim.audit.registered import Registered
from verisim.audit.registration import best_place

TEXTURE = Registered("texture", "whole")
ROW = 5


def changed(cases: Collection, row: int, change: Change) -> Collection:
    """One case, changed."""
    assert cases.masks is not None
    own = Sample(cases.images[row], cases.masks[row])
    other = Sample(cases.images[0], cases.masks[0])
    made = change(own, other, np.random.default_rng(3))
    assert made.mask is not None
    kept = cases.subset([row])
    return replace(kept, images=made.image[None], masks=made.mask[None])


@pytest.fixture(scope="module")
def training() -> Collection:
    return people(12)


@pytest.fixture(scope="module")
def strangers(training: Collection) -> float:
    """The highest score of patients who are not among them."""
    return float(TEXTURE.prepared(training)(people(6, first=100)).scores.max())


@pytest.mark.parametrize(
    "change",
    [
        noise(0.3),
        gamma(1.5),
        inversion,
        bias_field,
        flip,
        turn,
        shift(3),
        rotation(10.0),
        zoom(1.08),
    ],
    ids=["noise", "gamma", "inversion", "bias", "flip", "turn", "shift", "rotation", "zoom"],
)
def test_a_changed_copy_is_found(training: Collection, strangers: float, change: Change) -> None:
    matches = TEXTURE.prepared(training)(changed(training, ROW, change))
    assert matches.nearest[0] == ROW
    assert matches.scores[0] > strangers + 0.05


@pytest.mark.parametrize("change", [shift(3), flip, turn, rotation(10.0), zoom(1.08)])
def test_the_alignment_lays_the_training_case_onto_the_copy(
    training: Collection, change: Change
) -> None:
    copy = changed(training, ROW, change)
    (alignment,) = TEXTURE.prepared(training)(copy).alignments
    laid = laid_onto(training.images[ROW], alignment)
    inner = np.s_[:, 6:-6, 6:-6, 5:-5]
    agree = np.corrcoef(laid[inner].ravel(), copy.images[0][inner].ravel())[0, 1]
    assert agree > 0.97
    before = np.corrcoef(training.images[ROW][inner].ravel(), copy.images[0][inner].ravel())[0, 1]
    assert before < agree


def test_black_and_white_exchanged_is_said(training: Collection) -> None:
    (alignment,) = TEXTURE.prepared(training)(changed(training, ROW, inversion)).alignments
    assert alignment.sign == -1


def test_gain_and_offset_do_not_matter(training: Collection) -> None:
    new = people(2, first=200)
    index = TEXTURE.prepared(training)
    brighter = replace(new, images=(30 * new.images + 9).astype(np.float32))
    np.testing.assert_allclose(index(new).scores, index(brighter).scores, atol=0.02)


def test_a_patient_left_out_is_not_found(training: Collection) -> None:
    index = TEXTURE.prepared(training)
    copy = changed(training, ROW, shift(2))
    found = index(copy, not_of=copy.patients)
    assert found.nearest[0] != ROW
    assert found.scores[0] < index(copy).scores[0]


def test_slices_with_channels_turn_within_their_plane() -> None:
    training = people(10, FLAT, channels=2)
    copy = changed(training, ROW, turn)
    matches = TEXTURE.prepared(training)(copy)
    assert matches.nearest[0] == ROW
    matrix = np.array(matches.alignments[0].matrix)
    np.testing.assert_allclose(np.abs(matrix[:2, :2]), [[0, 1], [1, 0]], atol=0.05)
    np.testing.assert_allclose(matrix[2], [0, 0, 1, 0], atol=1e-6)


def test_a_part_is_found_where_the_whole_is_not(training: Collection) -> None:
    pasted = people(1, first=300).images[0].copy()
    x, y = SHAPE[0] // 2, SHAPE[1] // 2
    pasted[:, :x, :y] = training.images[ROW][:, :x, :y]
    query = replace(people(1, first=300), images=pasted[None])
    stranger = people(1, first=300)
    index = Registered("part", "part").prepared(training)
    found = index(query)
    assert found.nearest[0] == ROW
    assert found.scores[0] > index(stranger).scores[0] + 0.2


@pytest.mark.parametrize("change", [shift(3), flip, turn])
def test_a_copied_mask_is_found_whatever_the_image(training: Collection, change: Change) -> None:
    copy = changed(training, ROW, change)
    copy = replace(copy, images=people(1, first=400).images)
    index = MaskOverlap().prepared(training)
    matches = index(copy)
    assert matches.nearest[0] == ROW
    strangers = index(people(6, first=100)).scores
    assert np.arctanh(matches.scores[0]) > np.arctanh(strangers).max() + 0.25


def test_an_empty_mask_is_like_none(training: Collection) -> None:
    assert training.masks is not None
    empty = replace(training.subset([0]), masks=np.zeros_like(training.masks[:1]))
    assert MaskOverlap().prepared(training)(empty).scores[0] == 0


def test_the_heat_is_where_the_pair_agrees(training: Collection) -> None:
    half = people(1, first=500).images[0].copy()
    half[:, : SHAPE[0] // 2] = training.images[ROW][:, : SHAPE[0] // 2]
    still = TEXTURE.prepared(training)(training.subset([ROW])).alignments[0]
    heat = agreement_of(half, training.images[ROW], still).heat
    assert heat[3:8].mean() > 0.8
    assert heat[-8:-3].mean() < 0.3


def test_measures_share_one_search(training: Collection) -> None:
    laying = Laying()
    first = Registered("texture", "whole", laying).prepared(training)
    second = Registered("part", "part", laying).prepared(training)
    assert first.laying is second.laying


def test_an_index_answers_alike_in_another_process(training: Collection) -> None:
    index = TEXTURE.prepared(training)
    new = people(1, first=600)
    again = pickle.loads(pickle.dumps(index))
    assert again(new).scores[0] == index(new).scores[0]


def test_the_words_of_a_measure_last() -> None:
    # finished scores are kept by them: an address of a function would not be found again
    assert " at 0x" not in repr(default_measures(masked=True))
    assert " at 0x" not in repr(Likeness())


def test_a_noisy_mirrored_copy_agrees_in_some_tile(training: Collection) -> None:
    query = changed(changed(training, ROW, flip), 0, noise(0.6))
    index = Registered("turned part", "tile").prepared(training)
    found = index(query)
    assert found.nearest[0] == ROW
    strangers = index(people(6, first=100)).scores
    assert np.arctanh(found.scores[0]) > np.arctanh(strangers).max() + 0.3


def test_one_channel_is_enough_to_agree() -> None:
    draw = torch.Generator().manual_seed(0)
    own, other = torch.randn(2, 3, 16, 16, 1, generator=draw), torch.randn(2, 3, 16, 16, 1)
    other[0, 1] = -own[0, 1]
    where = tiles(torch.Size([16, 16, 1]))
    found = best_place(own, other, torch.tensor([-1.0, -1.0]), where)
    assert found[0] == pytest.approx(1, abs=1e-4)
    assert found[1] < 0.6


def test_a_place_without_texture_does_not_agree_by_chance() -> None:
    own = torch.zeros(1, 1, 16, 16, 1)
    own[:, :, 8:] = torch.randn(1, 1, 8, 16, 1, generator=torch.Generator().manual_seed(0))
    other = own.flip(2).roll(4, 3)
    own[0, 0, 2, 2, 0] = other[0, 0, 2, 2, 0] = 0.01
    where = torch.zeros(2, 1, 16, 16, 1)
    where[0, :, :4, :4] = 1
    where[1, :, 8:] = 1
    assert best_place(own, other, torch.ones(1), where)[0] < 0.9
