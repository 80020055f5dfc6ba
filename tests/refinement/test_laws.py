"""What holds of every correction by clicks."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from tests.refinement.balls import LABELS, bad_start, image, place, truth
from verisim.errors import BadGeometry, BadInput, Cancelled, TooLarge
from verisim.metrics import dice
from verisim.refinement import Click, as_segmentation, refine, refiner
from verisim.volume import LabelMap, Volume

MISSING = Click(place(13, 18, 7), "front")
ALSO_MISSING = Click(place(13, 11, 7), "back")
TOO_MUCH = Click(place(13, 18, 14), "front", belongs=False)
CLICKS = (MISSING, ALSO_MISSING, TOO_MUCH)


@pytest.fixture(params=[True, False], ids=["probabilities", "label map alone"])
def told(request: pytest.FixtureRequest) -> bool:
    """Whether the start comes with probabilities."""
    return bool(request.param)


def mean_dice(found: LabelMap) -> float:
    return float(np.mean([dice(found.binary(n), truth().binary(n)) for n in LABELS]))


def test_without_clicks_nothing_changes(told: bool) -> None:
    start = bad_start(told)
    assert refine(image(), start, []) is start


def test_the_same_clicks_give_the_same_answer_in_any_order(told: bool) -> None:
    first = refine(image(), bad_start(told), CLICKS).label_map.array
    for order in permutations(CLICKS):
        np.testing.assert_array_equal(
            refine(image(), bad_start(told), order).label_map.array, first
        )


def test_saying_the_same_twice_is_saying_it_once(told: bool) -> None:
    once = refine(image(), bad_start(told), [MISSING]).label_map.array
    twice = refine(image(), bad_start(told), [MISSING, MISSING]).label_map.array
    np.testing.assert_array_equal(once, twice)


def test_a_click_is_undone_by_leaving_it_out(told: bool) -> None:
    before = refine(image(), bad_start(told), [MISSING]).label_map.array
    both = refine(image(), bad_start(told), [MISSING, ALSO_MISSING]).label_map.array
    again = refine(image(), bad_start(told), [MISSING]).label_map.array
    np.testing.assert_array_equal(before, again)
    assert (before != both).any()


@pytest.mark.parametrize("seed", range(8))
def test_every_clicked_voxel_gets_what_was_said_of_it(told: bool, seed: int) -> None:
    generator = np.random.default_rng(seed)
    voxels = np.unique(generator.integers(0, (28, 30, 24), (12, 3)), axis=0)
    said = [(v, str(generator.choice(list(LABELS))), bool(generator.integers(2))) for v in voxels]
    clicks = [Click(place(*v), name, belongs) for v, name, belongs in said]
    found = refine(image(), bad_start(told), clicks).label_map
    for voxel, name, belongs in said:
        assert (found.array[tuple(voxel)] == LABELS[name]) == belongs


def test_a_click_into_what_is_missing_brings_more_of_it_than_its_voxel(told: bool) -> None:
    start = bad_start(told)
    before = mean_dice(start.label_map)
    one = mean_dice(refine(image(), start, [MISSING]).label_map)
    two = mean_dice(refine(image(), start, [MISSING, ALSO_MISSING]).label_map)
    assert before + 0.02 < one < two


def test_what_does_not_belong_leaves_with_what_is_around_it(told: bool) -> None:
    start = bad_start(told)
    found = refine(image(), start, [TOO_MUCH]).label_map
    assert found.binary("front").sum() < start.label_map.binary("front").sum() - 5


def test_far_away_nothing_changes() -> None:
    wide = ((0, 0), (0, 60), (0, 0))
    volume, start = image(), bad_start(told=False)
    array = np.pad(start.label_map.array, wide)
    array[:, 70:80] = LABELS["back"]
    far = Volume(np.pad(volume.array, wide), volume.affine)
    found = refine(far, as_segmentation(LabelMap(array, volume.affine, LABELS)), CLICKS).label_map
    np.testing.assert_array_equal(found.array[:, 50:], array[:, 50:])
    assert (found.array != array).any()


def test_clicks_far_apart_do_not_meet() -> None:
    """Two boxes, each as if it were alone."""
    volume, start = image(), bad_start(told=False)
    between = np.zeros((28, 40, 24), np.uint8)
    array = np.concatenate([start.label_map.array, between, start.label_map.array], axis=1)
    seen = np.concatenate([volume.array, between.astype("f4"), volume.array], axis=1)
    both = as_segmentation(LabelMap(array, volume.affine, LABELS))
    far = Click(place(13, 18 + 70, 7), "front")
    big = Volume(seen, volume.affine)
    one, other = (refine(big, both, [c]).label_map.array for c in (MISSING, far))
    together = refine(big, both, [far, MISSING]).label_map.array
    np.testing.assert_array_equal(together, np.where(one != array, one, other))


def test_a_label_that_is_nowhere_can_be_begun() -> None:
    nothing = LabelMap(np.zeros(image().spatial_shape, np.uint8), image().affine, LABELS)
    found = refine(image(), as_segmentation(nothing), [Click(place(13, 18, 11), "front")])
    assert found.label_map.binary("front").sum() > 1
    assert found.warnings == ("Nothing was found of: back.",)


def test_the_image_decides_how_far_a_click_reaches() -> None:
    """A click just inside the ball fills towards the ball's middle, not beyond its border."""
    click = Click(place(13, 18, 7), "front")
    start = bad_start()
    found = refine(image(), start, [click]).label_map
    new = found.binary("front") & ~start.label_map.binary("front")
    blurred = Volume(np.zeros_like(image().array), image().affine)
    blind = refine(blurred, start, [click]).label_map
    guessed = blind.binary("front") & ~start.label_map.binary("front")
    inside = truth().binary("front")
    assert (new & ~inside).sum() / new.sum() <= (guessed & ~inside).sum() / guessed.sum()


@pytest.mark.parametrize(
    ("clicks", "said"),
    [
        ([Click((500.0, 0.0, 0.0), "front")], "outside the volume"),
        ([Click((float("nan"), 0.0, 0.0), "front")], "no place"),
        ([Click(place(1, 1, 1), "middle")], "no label 'middle'"),
        ([MISSING, Click(MISSING.position_mm, "front", belongs=False)], "contradict"),
        ([MISSING, Click(MISSING.position_mm, "back")], "contradict"),
    ],
)
def test_clicks_that_cannot_be_followed_are_refused(clicks: list[Click], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        refine(image(), bad_start(), clicks)


def test_neither_label_means_background() -> None:
    place_mm = place(13, 15, 12)
    clicks = [Click(place_mm, name, belongs=False) for name in LABELS]
    assert refine(image(), bad_start(), clicks).label_map.array[13, 15, 12] == 0


def test_a_label_that_is_not_in_sight_costs_and_changes_nothing() -> None:
    start, many = bad_start(told=False), {f"other {k}": k for k in range(10, 60)}
    wide = LabelMap(start.label_map.array, start.label_map.affine, {**LABELS, **many})
    found = refine(image(), as_segmentation(wide), CLICKS).label_map.array
    np.testing.assert_array_equal(found, refine(image(), start, CLICKS).label_map.array)


def test_what_is_nowhere_near_any_label_can_be_denied() -> None:
    start = bad_start(told=False)
    found = refine(image(), start, [Click(place(1, 1, 1), "front", belongs=False)]).label_map
    assert found.array[1, 1, 1] == 0


def test_more_than_can_be_answered_together_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refiner, "MOST_TOGETHER", 1000)
    with pytest.raises(TooLarge, match="depend on each other"):
        refine(image(), bad_start(), CLICKS)


def test_another_grid_is_refused() -> None:
    moved = Volume(image().array, np.eye(4))
    with pytest.raises(BadGeometry, match="other voxels"):
        refine(moved, bad_start(), [MISSING])


def test_a_click_means_the_voxel_that_it_lies_in() -> None:
    x, y, z = MISSING.position_mm
    near = Click((x + 0.45, y - 0.45, z + 0.7), "front")
    one, other = (refine(image(), bad_start(), [c]).label_map.array for c in (MISSING, near))
    np.testing.assert_array_equal(one, other)


def test_channels_count_together() -> None:
    two = Volume(np.stack([image(1).array, image(2).array]), image().affine)
    found = refine(two, bad_start(), CLICKS).label_map
    assert mean_dice(found) > mean_dice(bad_start().label_map)


class _Stops:
    def advance(self, done: int, total: int, message: str = "") -> None:
        raise Cancelled("enough")


def test_it_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        refine(image(), bad_start(), CLICKS, _Stops())
