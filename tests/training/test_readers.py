"""The simulated reader of a training clicks into what is wrong, and nowhere else."""

from __future__ import annotations

import numpy as np

from tests.training.tiny_run import a_ball
from verisim.training.readers import clicks_into

TRUTH = a_ball(1).label.astype(np.int64)


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_nothing_is_clicked_where_nothing_is_wrong() -> None:
    assert list(clicks_into(TRUTH, TRUTH, 3, 5, generator())) == []


def test_every_click_lies_on_a_mistake_and_says_the_truth() -> None:
    answer = np.roll(TRUTH, 3, axis=1)
    found = list(clicks_into(answer, TRUTH, 3, 9, generator()))
    assert len(found) > 2
    for one in found:
        truly = TRUTH[one.voxel]
        assert answer[one.voxel] != truly
        if truly > 0:
            assert one.says == tuple(1 if k == truly else -1 for k in range(3))
        else:
            assert one.says[answer[one.voxel]] == -1
            assert one.says[0] >= 0


def test_the_largest_mistake_comes_first() -> None:
    answer = TRUTH.copy()
    answer[TRUTH == 1] = 0
    answer[1, 1, 1] = 2
    first, second = clicks_into(answer, TRUTH, 3, 2, generator())
    assert TRUTH[first.voxel] == 1
    assert second.voxel == (1, 1, 1)


def test_there_are_no_more_clicks_than_asked_for() -> None:
    answer = np.roll(TRUTH, 3, axis=1)
    assert len(list(clicks_into(answer, TRUTH, 3, 2, generator()))) == 2
    assert not list(clicks_into(answer, TRUTH, 3, 0, generator()))
