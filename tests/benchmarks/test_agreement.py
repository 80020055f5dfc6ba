"""How far two programs agree."""

from math import isnan
from pathlib import Path

import numpy as np
import pytest

from beside_nnunet.agreement import (
    Agreement,
    agreement,
    agreements_of_files,
    mean_dice,
    worst_dice,
)
from verisim.files import write
from verisim.volume import Array, LabelMap

LABELS = {"anterior": 1, "posterior": 2}


@pytest.fixture
def an_answer() -> Array:
    """Four voxels of each label."""
    array = np.zeros((4, 4, 4), np.uint8)
    array[0, 0], array[3, 3] = 1, 2
    return array


def test_the_same_label_map_agrees_everywhere(an_answer: Array) -> None:
    found = agreement("a", an_answer, an_answer.copy(), LABELS)
    assert found == Agreement("a", {"anterior": 1.0, "posterior": 1.0}, 0, 64)


def test_each_voxel_with_another_label_is_counted(an_answer: Array) -> None:
    other = an_answer.copy()
    other[0, 0, 0], other[2, 2, 2] = 2, 1
    found = agreement("a", an_answer, other, LABELS)
    assert found.differing == 2
    assert found.dice == {"anterior": 2 * 3 / 8, "posterior": 2 * 4 / 9}


def test_a_label_that_nobody_found_does_not_lower_the_mean(an_answer: Array) -> None:
    empty = np.zeros_like(an_answer)
    found = [agreement("a", an_answer, an_answer, LABELS), agreement("b", empty, empty, LABELS)]
    assert isnan(found[1].dice["anterior"])
    assert mean_dice(found) == {"anterior": 1.0, "posterior": 1.0}
    assert worst_dice(found) == 1.0


def test_the_worst_dice_is_that_of_one_label_of_one_case(an_answer: Array) -> None:
    missed = np.where(an_answer == 2, 0, an_answer)
    found = [
        agreement("a", an_answer, an_answer, LABELS),
        agreement("b", an_answer, missed, LABELS),
    ]
    assert worst_dice(found) == 0.0
    assert mean_dice(found) == {"anterior": 1.0, "posterior": 0.5}


def test_files_of_two_folders_are_compared_by_name(tmp_path: Path, an_answer: Array) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "case.nii.gz", LabelMap(an_answer, np.eye(4), LABELS))
    (found,) = agreements_of_files(tmp_path / "one", tmp_path / "other", LABELS)
    assert (found.case, found.differing) == ("case", 0)


def test_a_missing_label_map_is_not_passed_over(tmp_path: Path, an_answer: Array) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "one" / "case.nii.gz", LabelMap(an_answer, np.eye(4), LABELS))
    with pytest.raises(SystemExit, match="do not hold the same"):
        agreements_of_files(tmp_path / "one", tmp_path / "other", LABELS)


def test_label_maps_in_different_places_are_not_compared(tmp_path: Path, an_answer: Array) -> None:
    for folder, spacing in (("one", 1.0), ("other", 2.0)):
        (tmp_path / folder).mkdir()
        affine = np.diag([spacing, 1.0, 1.0, 1.0])
        write(tmp_path / folder / "case.nii.gz", LabelMap(an_answer, affine, LABELS))
    with pytest.raises(SystemExit, match="same place"):
        agreements_of_files(tmp_path / "one", tmp_path / "other", LABELS)
