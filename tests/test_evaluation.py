"""Evaluation compares every case with its truth, and draws intervals over subjects."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from verisim import files
from verisim.card import ModelCard
from verisim.dataset import Case, Dataset
from verisim.errors import BadDataset, Cancelled
from verisim.evaluation import evaluate
from verisim.progress import SILENT, Progress
from verisim.segmentation import Segmentation
from verisim.volume import LabelMap, Volume

LABELS = {"anterior": 1, "posterior": 2}
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def a_truth(shift: int = 0) -> LabelMap:
    """Two boxes, moved along X."""
    array = np.zeros((20, 12, 10), np.uint8)
    array[3 + shift : 8 + shift, 3:9, 2:8] = 1
    array[8 + shift : 13 + shift, 3:9, 2:8] = 2
    return LabelMap(array, AFFINE, LABELS)


@dataclass(frozen=True)
class Reading:
    """A segmenter whose answer is the image itself, changed by a function."""

    card: ModelCard
    change: Callable[[np.ndarray], np.ndarray] = field(default=lambda array: array)

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        array = self.change(volume.array.astype(np.uint8))
        label_map = LabelMap(array, volume.affine, self.card.labels)
        return Segmentation(label_map, 1.0, {"network": 0.25})


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Four cases of two subjects whose images show their labels."""
    cases = []
    for k in range(4):
        image, label = tmp_path / f"image_{k}.nii", tmp_path / f"label_{k}.nii"
        files.write(image, Volume(a_truth(k).array.astype(np.float32), AFFINE))
        files.write(label, a_truth(k))
        cases.append(Case(f"case_{k}", f"subject_{k // 2}", (image,), label))
    names = frozenset(case.name for case in cases)
    return Dataset("boxes", tuple(cases), ("MRI",), LABELS, "CC0", {"val": names})


def moved(array: np.ndarray) -> np.ndarray:
    """The answer one voxel (1 mm) too far along X."""
    return np.roll(array, 1, axis=0)


def test_a_perfect_segmenter_scores_1_at_0_mm(a_card: ModelCard, dataset: Dataset) -> None:
    found = evaluate(Reading(a_card), dataset, "val")
    assert [label.label for label in found.labels] == ["anterior", "posterior"]
    for label in found.labels:
        for interval, best in (
            (label.dice, 1),
            (label.surface_dice, 1),
            (label.hausdorff95_mm, 0),
        ):
            assert (interval.mean, interval.low, interval.high) == (best, best, best)
    assert (found.subjects, len(found.cases)) == (2, 4)
    assert found.mean_seconds == 0.25


def test_an_answer_1_voxel_off_is_1_mm_off(a_card: ModelCard, dataset: Dataset) -> None:
    found = evaluate(Reading(a_card, moved), dataset, "val")
    for label in found.labels:
        assert label.hausdorff95_mm.mean == pytest.approx(1)
        assert label.dice.mean == pytest.approx(0.8)  # four of five slices are shared


def test_intervals_are_over_subjects_not_over_cases(a_card: ModelCard, dataset: Dataset) -> None:
    """Bad in one case of each subject: every draw of subjects has the same mean."""

    def bad_in_even(array: np.ndarray) -> np.ndarray:
        first = int(np.argmax((array == 1).any(axis=(1, 2))))
        return moved(array) if first % 2 else array

    found = evaluate(Reading(a_card, bad_in_even), dataset, "val").labels[0].dice
    assert (found.low, found.high) == pytest.approx((0.9, 0.9))
    by_case = replace(
        dataset, cases=tuple(replace(case, subject=case.name) for case in dataset.cases)
    )
    wide = evaluate(Reading(a_card, bad_in_even), by_case, "val").labels[0].dice
    assert wide.low < 0.9 < wide.high


def test_an_empty_answer_is_infinitely_far_and_scores_0(
    a_card: ModelCard, dataset: Dataset
) -> None:
    found = evaluate(Reading(a_card, np.zeros_like), dataset, "val").labels[0]
    assert found.dice.mean == found.surface_dice.mean == 0
    assert math.isinf(found.hausdorff95_mm.mean)


def test_a_label_in_neither_truth_nor_answer_counts_for_nothing(
    a_card: ModelCard, dataset: Dataset
) -> None:
    only_first = a_truth(0)
    assert dataset.cases[0].label is not None
    files.write(dataset.cases[0].label, only_first.new(np.where(only_first.array == 1, 1, 0)))
    image = Volume(np.where(only_first.array == 1, 1, 0).astype(np.float32), AFFINE)
    files.write(dataset.cases[0].images[0], image)
    found = evaluate(Reading(a_card), dataset, "val")
    assert math.isnan(found.cases[0].agreements[1].dice)
    assert found.labels[1].dice.mean == 1


def test_labels_without_names_go_by_their_value(a_card: ModelCard, dataset: Dataset) -> None:
    unnamed = replace(dataset, labels={"label_1": 1, "label_2": 2})
    found = evaluate(Reading(a_card), unnamed, "val")
    assert [label.label for label in found.labels] == ["anterior", "posterior"]
    assert found.labels[1].dice.mean == 1
    assert found.warnings == ()


def test_labels_under_other_values_go_by_their_name(a_card: ModelCard, dataset: Dataset) -> None:
    for case in dataset.cases:
        assert case.label is not None
        stored = files.read(case.label)
        files.write(case.label, stored.new(np.choose(stored.array, [0, 2, 1]).astype(np.uint8)))
    swapped = replace(dataset, labels={"anterior": 2, "posterior": 1})
    assert evaluate(Reading(a_card), swapped, "val").labels[0].dice.mean == 1


def test_what_only_one_side_knows_is_not_compared_and_said(
    a_card: ModelCard, dataset: Dataset
) -> None:
    partly = replace(dataset, labels={"anterior": 1, "amygdala": 2})
    found = evaluate(Reading(a_card), partly, "val")
    assert [label.label for label in found.labels] == ["anterior"]
    assert "posterior, amygdala" in found.warnings[0]


def test_capitals_do_not_part_labels(a_card: ModelCard, dataset: Dataset) -> None:
    """nnU-Net keeps the capitals of dataset.json, data sets here are read in lower case."""
    labels = {name.upper(): value for name, value in a_card.labels.items()}
    colors = {name.upper(): color for name, color in a_card.colors.items()}
    loud = replace(a_card, labels=labels, colors=colors)
    evaluation = evaluate(Reading(loud), dataset, "val")
    assert [row.label for row in evaluation.labels] == ["ANTERIOR", "POSTERIOR"]
    assert evaluation.warnings == ()


def test_a_data_set_of_other_labels_is_refused(a_card: ModelCard, dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match="liver, tumour"):
        evaluate(Reading(a_card), replace(dataset, labels={"liver": 1, "tumour": 2}), "val")


def test_progress_counts_the_cases_and_may_cancel(a_card: ModelCard, dataset: Dataset) -> None:
    heard: list[tuple[int, int]] = []

    class Watcher:
        def advance(self, done: int, total: int, message: str = "") -> None:
            heard.append((done, total))
            if done == 2:
                raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        evaluate(Reading(a_card), dataset, "val", progress=Watcher())
    assert heard == [(0, 4), (1, 4), (2, 4)]


def test_a_split_that_was_drawn_here_is_said_to_be(a_card: ModelCard, dataset: Dataset) -> None:
    drawn = replace(dataset, drawn=True)
    assert "splits.json" in evaluate(Reading(a_card), drawn, "val").warnings[0]
    assert evaluate(Reading(a_card), drawn, "all").warnings == ()
    assert evaluate(Reading(a_card), dataset, "val").warnings == ()
