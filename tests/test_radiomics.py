"""Synthetic cases beside real ones: what repeats itself and what looks otherwise is seen."""

import numpy as np
import pytest

from verisim.progress import SILENT
from verisim.radiomics import textures, variety
from verisim.volume import LabelMap, Volume

Pair = tuple[Volume, LabelMap]


def cases(count: int, seed: int, spread: float = 20.0) -> list[Pair]:
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        shape = tuple(int(n) for n in generator.integers(12, 15, 3))
        array = generator.normal(100, 20, shape)
        labels = np.zeros(shape, np.uint8)
        labels[3:9, 3:9, 3:9] = 1
        array[labels > 0] = generator.normal(140, spread, 216)
        whole = Volume(array.astype(np.float32), np.eye(4))
        found.append((whole, LabelMap(labels, np.eye(4), {"organ": 1})))
    return found


def test_another_inside_is_further_away_than_the_floor() -> None:
    training, held_out = cases(30, 0), cases(10, 1)
    alike = textures(training, held_out, cases(30, 2))
    other = textures(training, held_out, cases(30, 3, spread=5.0))
    assert alike.keys() == other.keys()
    assert other["organ, deviation"].synthetic > 3 * other["organ, deviation"].held_out
    assert alike["organ, deviation"].synthetic < 2 * alike["organ, deviation"].held_out
    for one in alike.values():
        low, high = one.synthetic_range
        assert low <= one.synthetic <= high


def test_a_label_that_no_synthetic_case_shows_is_left_out() -> None:
    empty = [
        (volume, label_map.new(np.zeros_like(label_map.array)))
        for volume, label_map in cases(6, 2)
    ]
    assert textures(cases(8, 0), cases(6, 1), empty) == {}


def test_a_set_that_repeats_itself_is_more_alike() -> None:
    real = cases(12, 0)
    repeated = [real[0]] * 12
    first, second = variety((real, repeated), SILENT)
    assert second.mean == pytest.approx(1)
    assert first.mean < 0.9
    low, high = first.spread
    assert low < first.mean < high
