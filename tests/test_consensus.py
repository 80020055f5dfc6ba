"""What samples agree on, counted row by row."""

import numpy as np
import pytest

from verisim.consensus import Consensus
from verisim.metrics import dice
from verisim.volume import Array, Volume

LABELS = {"anterior": 1, "posterior": 2}
LIKE = Volume(np.zeros((6, 5, 4)), np.diag([2.0, 1.0, 1.0, 1.0]))
WHOLE = (slice(0, 6), slice(0, 5), slice(0, 4))


def some_maps(count: int, shape: tuple[int, int, int] = (6, 5, 4)) -> Array:
    """Label maps (S, X, Y, Z)."""
    return np.random.default_rng(0).integers(0, 3, (count, *shape))


def filled(maps: Array, kept: bool = False) -> Consensus:
    """After the maps were given as sure probabilities, two rows at a time."""
    consensus = Consensus(LIKE, WHOLE, LABELS, len(maps), kept)
    shares = np.stack([maps == value for value in range(3)], axis=1).astype(np.float32)
    for row in range(0, 6, 2):
        consensus.fill(shares[:, :, row : row + 2])
    return consensus


def test_volumes_are_those_of_each_sample() -> None:
    maps = some_maps(4)
    sampled = filled(maps).sampled(12)
    for name, value in LABELS.items():
        expected = [(one == value).sum() * 0.002 for one in maps]
        assert sampled.volumes_ml[name] == pytest.approx(expected)
        assert sampled.range_ml[name] == pytest.approx((min(expected), max(expected)))
    assert sampled.evaluations == 12


def test_agreement_is_the_mean_dice_of_the_pairs() -> None:
    maps = some_maps(3)
    expected = [
        dice(maps[i] == value, maps[j] == value)
        for value in LABELS.values()
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    assert filled(maps).sampled(1).agreement == pytest.approx(np.mean(expected))


def test_equal_samples_agree_and_disjoint_ones_do_not() -> None:
    one = some_maps(1)[0]
    assert filled(np.stack([one] * 3)).sampled(1).agreement == 1
    assert filled(np.stack([np.where(one == 1, 1, 0), np.where(one == 1, 0, 1)])).sampled(
        1
    ).agreement == pytest.approx(0)


def test_one_sample_or_nothing_found_is_agreement() -> None:
    assert filled(some_maps(1)).sampled(1).agreement == 1
    assert filled(np.zeros((3, 6, 5, 4), int)).sampled(1).agreement == 1


def test_label_maps_are_kept_only_when_wanted() -> None:
    maps = some_maps(3)
    assert not filled(maps).sampled(1).label_maps
    kept = filled(maps, kept=True).sampled(1).label_maps
    assert len(kept) == 3
    for one, expected in zip(kept, maps, strict=True):
        np.testing.assert_array_equal(one.array, expected)
        assert dict(one.labels) == LABELS
