"""Preprocessed cases lie in memory while they fit, and on the disk beyond that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.tiny_run import a_ball
from verisim.training.examples import MOST_PLACES, Example, Shelf, shelf


def test_what_fits_stays_in_memory_and_the_rest_is_mapped(tmp_path: Path) -> None:
    first, second = a_ball(1), a_ball(2)
    size = first.image.nbytes + first.label.nbytes
    kept = Shelf(tmp_path / "kept", 1.5 * size)
    assert kept.kept(first) is first
    mapped = kept.kept(second)
    assert isinstance(mapped.image, np.memmap)
    np.testing.assert_array_equal(mapped.image, second.image)
    np.testing.assert_array_equal(mapped.label, second.label)
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_mapped_files_go_even_when_the_training_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with shelf(tmp_path) as kept:
            kept.memory_bytes = 0
            kept.kept(a_ball(1))
            assert (tmp_path / "preprocessed").is_dir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (tmp_path / "preprocessed").exists()


def test_the_remembered_voxels_of_a_label_lie_in_it() -> None:
    label = np.zeros((40, 40, 40), np.uint8)
    label[5:35, 5:35, 5:35] = 1
    label[0, 0, 0] = 4
    example = Example(np.zeros((1, 40, 40, 40), np.float32), label)
    assert sorted(example.places) == [1, 4]
    assert len(example.places[1]) == MOST_PLACES
    assert len(np.unique(example.places[1], axis=0)) == MOST_PLACES
    for value, voxels in example.places.items():
        assert (label[tuple(voxels.T)] == value).all()


def test_a_box_is_as_large_as_its_voxels() -> None:
    example = Example(np.zeros((1, 4, 5, 6)), np.zeros((4, 5, 6), int), "a", (1.0, 2.0, 0.5))
    assert example.extent_mm == (4.0, 10.0, 3.0)
