"""From probabilities to the label map."""

import numpy as np
import pytest

from tests.conftest import affine_of
from verisim.postprocessing import Labelling, keep_largest, softmax
from verisim.volume import LabelMap, Volume

LABELS = {"anterior": 1, "posterior": 2}


@pytest.fixture
def probabilities() -> Volume:
    """Three classes (3, 10, 9, 8) that sum to 1."""
    drawn = np.random.default_rng(0).dirichlet((1, 1, 1), (10, 9, 8)).astype(np.float32)
    return Volume(np.moveaxis(drawn, -1, 0), affine_of((1.0, 1.5, 2.0), degrees=10))


WHOLE = (slice(None),) * 3


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_the_label_map_is_the_most_probable_class_of_each_voxel(
    probabilities: Volume, rows: int
) -> None:
    labelling = Labelling(probabilities, WHOLE, LABELS)
    for k in range(0, 10, rows):
        labelling.fill(probabilities.array[:, k : k + rows].copy())
    winner, highest = probabilities.array.argmax(axis=0), probabilities.array.max(axis=0)
    np.testing.assert_array_equal(labelling.label_map.array, winner)
    assert labelling.certainty == pytest.approx(highest[winner > 0].mean())
    assert labelling.label_map.array.dtype == np.uint8
    assert labelling.label_map.labels == LABELS
    assert labelling.label_map.shares_grid(probabilities)


def test_outside_the_box_is_background(probabilities: Volume) -> None:
    box = (slice(2, 6), slice(1, 9), slice(3, 8))
    labelling = Labelling(probabilities, box, LABELS)
    inside = probabilities.array[(slice(None), *box)].copy()
    labelling.fill(inside)
    label_map = labelling.label_map.array.copy()
    np.testing.assert_array_equal(label_map[box], inside.argmax(axis=0))
    label_map[box] = 0
    assert not label_map.any()


def test_where_nothing_was_found_there_is_no_certainty(probabilities: Volume) -> None:
    assert Labelling(probabilities, WHOLE, LABELS).certainty == 0


def test_the_expected_dice_is_that_with_masks_drawn_from_the_probabilities() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (3, 24, 24, 24)).astype(np.float32)
    probabilities = softmax(logits)
    labelling = Labelling(Volume(np.zeros((24, 24, 24)), np.eye(4)), WHOLE, LABELS)
    labelling.fill(probabilities)
    answer = probabilities.argmax(axis=0)
    drawn = (generator.random((24, 24, 24)) > probabilities.cumsum(axis=0)).sum(axis=0)
    for name, value in LABELS.items():
        found, true = answer == value, drawn == value
        dice = 2 * (found & true).sum() / (found.sum() + true.sum())
        assert labelling.expected_dice[name] == pytest.approx(dice, abs=0.02)


def test_sure_probabilities_expect_a_dice_of_1_and_nothing_found_expects_none() -> None:
    sure = np.zeros((3, 4, 4, 4), np.float32)
    sure[1] = 1
    labelling = Labelling(Volume(np.zeros((4, 4, 4)), np.eye(4)), WHOLE, LABELS)
    labelling.fill(sure)
    first, second = LABELS
    assert labelling.expected_dice[first] == 1
    assert np.isnan(labelling.expected_dice[second])


def test_probabilities_sum_to_1() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4, 5, 6)).astype(np.float32)
    np.testing.assert_allclose(softmax(logits).sum(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(softmax(logits).argmax(axis=0), logits.argmax(axis=0))


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


def test_of_all_labels_together_the_largest_component_is_kept(scattered: LabelMap) -> None:
    touching = scattered.array.copy()
    touching[5, 5, 5] = 2  # shares only a corner with the large anterior part
    kept = keep_largest(scattered.new(touching), (), foreground=True)
    assert (kept.binary("anterior").sum(), kept.binary("posterior").sum()) == (64, 1)
