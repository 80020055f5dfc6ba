"""STAPLE trusts raters as they deserve it."""

import numpy as np
import pytest

from verisim.fusion import staple
from verisim.volume import Array, LabelMap

LABELS = {"anterior": 1, "posterior": 2}


def a_map(array: Array) -> LabelMap:
    return LabelMap(array.astype(np.uint8), np.eye(4), LABELS)


def truth() -> Array:
    array = np.zeros((20, 20, 20), np.uint8)
    array[4:10, 5:15, 5:15] = 1
    array[10:16, 5:15, 5:15] = 2
    return array


def a_rater(share_wrong: float, seed: int) -> LabelMap:
    """The truth, with so many of the voxels in and around it drawn anew."""
    generator = np.random.default_rng(seed)
    wrong = generator.random((20, 20, 20)) < share_wrong
    wrong[:3] = wrong[17:] = False
    return a_map(np.where(wrong, generator.integers(0, 3, (20, 20, 20)), truth()))


def test_two_good_raters_outvote_three_bad_ones() -> None:
    raters = [a_rater(0.03, seed) for seed in range(2)] + [a_rater(0.6, s) for s in (5, 6, 7)]
    votes = np.stack([one.array for one in raters])
    counted = np.stack([(votes == value).sum(0) for value in range(3)]).argmax(0)
    fused = staple(raters, a_map(counted)).array
    assert (fused != truth()).sum() < (counted != truth()).sum() / 2


def test_raters_who_agree_are_believed() -> None:
    raters = [a_map(truth())] * 3
    np.testing.assert_array_equal(staple(raters, a_map(np.zeros((20, 20, 20)))).array, truth())


@pytest.mark.parametrize("count", [0, 1, 4])
def test_where_there_is_nothing_to_weigh_the_other_answer_stays(count: int) -> None:
    other = a_map(truth())
    empty = [a_map(np.zeros((20, 20, 20)))] * count
    assert staple(empty, other) is other


def test_one_who_finds_something_among_those_who_find_nothing() -> None:
    raters = [a_map(np.zeros((20, 20, 20)))] * 4 + [a_map(truth())]
    fused = staple(raters, a_map(np.zeros((20, 20, 20)))).array
    assert set(np.unique(fused)) <= {0, 1, 2}
