"""What holds of corrections with a click network, whatever it learned."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d

from tests.refinement.balls import LABELS, bad_start, image, place, truth
from verisim.card import ModelCard
from verisim.errors import BadInput, NotFound, TooLarge, VerisimWarning
from verisim.metrics import dice
from verisim.refinement import (
    Click,
    ClickNetwork,
    as_segmentation,
    corrector_of,
    known_cards,
    name_of,
    network,
    refine,
    refiner,
)
from verisim.training.click_fit import clicker_of
from verisim.volume import LabelMap, Volume

MISSING = Click(place(13, 18, 7), "front")
ALSO_MISSING = Click(place(13, 11, 7), "back")
TOO_MUCH = Click(place(13, 18, 14), "front", belongs=False)
CLICKS = (MISSING, ALSO_MISSING, TOO_MUCH)


@pytest.fixture
def card(a_card: ModelCard) -> ModelCard:
    """Of a click network for front and back."""
    labels = {"front": 1, "back": 2}
    colors = dict.fromkeys(labels, (1.0, 0.0, 0.0))
    named = replace(a_card, labels=labels, colors=colors, patch_size=(24, 24, 24))
    return clicker_of(named, "tiny-clicks")


@pytest.fixture
def blind(card: ModelCard) -> ClickNetwork:
    """It learned nothing, and answers whatever comes out of its first weights."""

    def untrained(one: ModelCard, device: str) -> nn.Module:
        torch.manual_seed(0)
        return one.build().eval()

    return ClickNetwork(card, networks=untrained)


class Knows(nn.Module):
    """What is bright, noise apart, is ball; of which half the present labels and clicks say."""

    def forward(self, seen: Tensor) -> Tensor:
        bright = avg_pool3d(seen[:, :1], 3, stride=1, padding=1) - 1
        said = seen[:, 1 + 3 :] * 10
        front = (seen[:, 2:3] - seen[:, 3:4]) * 4
        return torch.cat([-20 * bright, 20 * bright + front, 20 * bright - front], 1) + said


@pytest.fixture
def knowing(card: ModelCard) -> ClickNetwork:
    """It sees where the ball ends, in whatever direction the volume is stored."""
    return ClickNetwork(card, networks=lambda one, device: Knows())


def mean_dice(found: LabelMap) -> float:
    return float(np.mean([dice(found.binary(n), truth().binary(n)) for n in LABELS]))


def test_without_clicks_nothing_changes(blind: ClickNetwork) -> None:
    start = bad_start()
    assert refine(image(), start, [], network=blind) is start


def test_every_clicked_voxel_has_a_label_that_its_clicks_allow(blind: ClickNetwork) -> None:
    clicks = [*CLICKS, Click(place(13, 15, 12), "front", belongs=False)]
    found = refine(image(), bad_start(), clicks, network=blind).label_map.array
    assert found[13, 18, 7] == LABELS["front"]
    assert found[13, 11, 7] == LABELS["back"]
    assert found[13, 18, 14] != LABELS["front"]
    assert found[13, 15, 12] != LABELS["front"]


def test_the_order_does_not_matter_and_twice_is_once(blind: ClickNetwork) -> None:
    first = refine(image(), bad_start(), CLICKS, network=blind).label_map.array
    for order in (*permutations(CLICKS), (*CLICKS, MISSING)):
        again = refine(image(), bad_start(), order, network=blind).label_map.array
        np.testing.assert_array_equal(again, first)


def test_a_click_that_is_left_out_is_undone(blind: ClickNetwork) -> None:
    before = refine(image(), bad_start(), [MISSING], network=blind).label_map.array
    both = refine(image(), bad_start(), CLICKS, network=blind).label_map.array
    again = refine(image(), bad_start(), [MISSING], network=blind).label_map.array
    assert (both != before).any()
    np.testing.assert_array_equal(again, before)


def test_far_from_all_clicks_nothing_changes(blind: ClickNetwork) -> None:
    wide = ((0, 0), (0, 60), (0, 0))
    volume, start = image(), bad_start(told=False)
    array = np.pad(start.label_map.array, wide)
    array[:, 80:90] = LABELS["back"]
    far = Volume(np.pad(volume.array, wide), volume.affine)
    begun = as_segmentation(LabelMap(array, volume.affine, LABELS))
    found = refine(far, begun, CLICKS, network=blind).label_map
    np.testing.assert_array_equal(found.array[:, 60:], array[:, 60:])
    assert (found.array != array).any()


def test_what_the_network_sees_is_found_where_it_is(knowing: ClickNetwork) -> None:
    """The volume is stored from right to left, in slices of 1.5 mm; the network sees neither."""
    start = bad_start()
    clicks = [MISSING, ALSO_MISSING]
    found = refine(image(), start, clicks, network=knowing).label_map
    assert mean_dice(found) > mean_dice(start.label_map) + 0.05
    assert mean_dice(found) > mean_dice(refine(image(), start, clicks).label_map)


@pytest.mark.parametrize("orientation", ["LPS", "SAR", "PIR"])
def test_however_the_volume_is_stored_the_answer_is_the_same(
    knowing: ClickNetwork, orientation: str
) -> None:
    start = bad_start(told=False)
    straight = refine(image(), start, CLICKS, network=knowing).label_map
    turned = as_segmentation(start.label_map.reoriented(orientation))
    found = refine(image().reoriented(orientation), turned, CLICKS, network=knowing).label_map
    same = found.reoriented(straight.orientation).array == straight.array
    assert same.mean() > 0.999


def test_where_there_is_nothing_to_see_clicks_are_answered_without(
    blind: ClickNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refiner, "NETWORK_REACH", refiner.REACH)
    monkeypatch.setattr(ClickNetwork, "widest_mm", np.inf)
    flat = Volume(np.zeros_like(image().array), image().affine)
    found = refine(flat, bad_start(), CLICKS, network=blind).label_map.array
    alone = refine(flat, bad_start(), CLICKS).label_map.array
    np.testing.assert_array_equal(found, alone)


def test_more_than_the_network_may_see_is_refused(
    blind: ClickNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "MOST_SEEN", 1000)
    with pytest.raises(TooLarge):
        refine(image(), bad_start(), CLICKS, network=blind)


def test_other_labels_are_refused(blind: ClickNetwork) -> None:
    renamed = truth().array.astype(np.uint8)
    other = as_segmentation(LabelMap(renamed, image().affine, {"left": 3, "right": 7}))
    with pytest.raises(BadInput, match="left, right"):
        refine(image(), other, [Click(MISSING.position_mm, "left")], network=blind)


def test_a_box_around_one_click_is_seen_in_one_patch(
    blind: ClickNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large the labels are, so that a click into a large volume takes no longer."""
    asked: list[int] = []
    monkeypatch.setattr(blind.network, "forward", lambda seen: _counted(seen, asked))
    large = np.zeros((80, 80, 60), np.uint8)
    large[10:70, 10:40, 10:50], large[10:70, 40:70, 10:50] = LABELS["front"], LABELS["back"]
    noise = np.random.default_rng(0).normal(size=large.shape).astype("f4")
    start = as_segmentation(LabelMap(large, np.eye(4), LABELS))
    refine(Volume(noise, np.eye(4)), start, [Click((40, 42, 30), "front")], network=blind)
    assert asked == [1]


def _counted(seen: Tensor, asked: list[int]) -> Tensor:
    asked.append(len(seen))
    return seen[:, 1:4]


def test_a_network_corrects_models_with_its_labels_and_channels(
    card: ModelCard, a_card: ModelCard
) -> None:
    own = replace(a_card, labels=card.labels, colors=card.colors)
    known = [a_card, own, card]
    assert corrector_of(own, known, "auto") is card
    assert corrector_of(own, known, "network") is card
    assert corrector_of(own, known, "walker") is None
    assert corrector_of(a_card, known, "auto") is None
    assert corrector_of(replace(own, channels=("T1", "T2")), known, "auto") is None
    with pytest.raises(NotFound, match="anterior, posterior"):
        corrector_of(a_card, known, "network")


def test_an_answer_tells_what_corrected_it(blind: ClickNetwork) -> None:
    assert name_of(blind) == "tiny-clicks v1"
    assert name_of(None) == "walker"


def test_a_broken_card_is_said_and_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "broken-v1.toml").write_text("name = 3")
    with pytest.warns(VerisimWarning, match="broken-v1"):
        assert list(known_cards(tmp_path)) == []
