"""From probabilities to the label map."""

import numpy as np
import pytest

from tests.conftest import affine_of
from verisim.postprocessing import keep_largest, label_map_like
from verisim.volume import LabelMap, Volume

LABELS = {"anterior": 1, "posterior": 2}


@pytest.fixture
def probabilities() -> Volume:
    """Three classes (3, 10, 9, 8) that sum to 1."""
    drawn = np.random.default_rng(0).dirichlet((1, 1, 1), (10, 9, 8)).astype(np.float32)
    return Volume(np.moveaxis(drawn, -1, 0), affine_of((1.0, 1.5, 2.0), degrees=10))


def test_on_the_same_grid_the_label_map_is_the_most_probable_class(probabilities: Volume) -> None:
    label_map, highest = label_map_like(probabilities, probabilities, LABELS)
    np.testing.assert_array_equal(label_map.array, probabilities.array.argmax(axis=0))
    np.testing.assert_array_equal(highest, probabilities.array.max(axis=0))
    assert label_map.array.dtype == np.uint8
    assert label_map.labels == LABELS


def test_on_another_grid_the_answer_is_that_of_the_resampled_probabilities(
    probabilities: Volume,
) -> None:
    like = Volume(np.zeros((15, 14, 13)), affine_of((0.7, 0.9, 1.0), (1.0, 1.0, 1.0), degrees=25))
    label_map, highest = label_map_like(probabilities, like, LABELS)
    resampled = probabilities.resampled_like(like).array
    np.testing.assert_array_equal(label_map.array, resampled.argmax(axis=0))
    np.testing.assert_array_equal(highest, resampled.max(axis=0))
    assert label_map.shares_grid(like)


@pytest.fixture
def scattered() -> LabelMap:
    """Each label has a large part and a small one."""
    array = np.zeros((12, 12, 12), np.uint8)
    array[1:5, 1:5, 1:5], array[8:10, 8:10, 8:10] = 1, 1
    array[1:3, 8:10, 1:3], array[8:11, 1:4, 1:4] = 2, 2
    return LabelMap(array, np.eye(4), LABELS)


def test_only_the_largest_component_of_the_named_labels_is_kept(scattered: LabelMap) -> None:
    kept = keep_largest(scattered, ("anterior",))
    assert kept.binary("anterior").sum() == 64
    assert kept.binary("anterior")[1:5, 1:5, 1:5].all()
    np.testing.assert_array_equal(kept.binary("posterior"), scattered.binary("posterior"))
    assert kept.array.dtype == np.uint8


def test_each_label_keeps_a_component_of_its_own(scattered: LabelMap) -> None:
    kept = keep_largest(scattered, ("anterior", "posterior"))
    assert (kept.binary("anterior").sum(), kept.binary("posterior").sum()) == (64, 27)


def test_without_names_nothing_is_removed(scattered: LabelMap) -> None:
    np.testing.assert_array_equal(keep_largest(scattered, ()).array, scattered.array)


def test_an_absent_label_stays_absent(scattered: LabelMap) -> None:
    empty = scattered.apply(np.zeros_like)
    assert keep_largest(empty, ("anterior",)).array.sum() == 0
