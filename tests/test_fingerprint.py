"""A fingerprint says what a data set looks like, whichever way its cases are stored."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.conftest import affine_of
from verisim import fingerprint as room
from verisim.dataset import Dataset, open_dataset
from verisim.errors import BadDataset, Cancelled
from verisim.fingerprint import SEED, Tally, fingerprint_of

SHAPE = (9, 8, 7)
SPACING = (0.5, 1.0, 2.0)


class Watched:
    """Progress that keeps what it hears, and stops when asked to."""

    def __init__(self, stop_at: int = 99) -> None:
        self.heard: list[tuple[int, int]] = []
        self._stop_at = stop_at

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Keep it."""
        if done >= self._stop_at:
            raise Cancelled("Stopped.")
        self.heard.append((done, total))


def an_image(seed: int, channel: int) -> np.ndarray:
    """Noise with a border of zeros: one voxel at each end of X, two of Z at the start."""
    array = np.random.default_rng((seed, channel)).uniform(1, 100, SHAPE).astype(np.float32)
    array[[0, -1]] = 0
    array[:, :, :2] = 0
    return array


def a_label() -> np.ndarray:
    """A block, and another value in it."""
    label = np.zeros(SHAPE, np.uint8)
    label[3:6, 2:6, 3:6] = 1
    label[4, 4, 4] = 2
    return label


def a_dataset(
    folder: Path, channels: int = 1, turn: str = "RAS", label: np.ndarray | None = None
) -> Dataset:
    """Three cases in nnU-Net's layout, stored with their axes pointing to `turn`."""
    for case in range(3):
        arrays = {
            f"imagesTr/case_{case}_{k:04d}.nii.gz": an_image(case, k) for k in range(channels)
        }
        arrays[f"labelsTr/case_{case}.nii.gz"] = a_label() if label is None else label
        for name, array in arrays.items():
            save(folder / name, array, turn)
    text = {
        "channel_names": {str(k): "CT" for k in range(channels)},
        "labels": {"background": 0, "liver": 1, "tumour": 2},
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(text))
    return open_dataset(folder)


def save(path: Path, array: np.ndarray, turn: str = "RAS") -> None:
    """Write a NIfTI file with axes pointing to `turn`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine_of(SPACING))
    there = nibabel.orientations.axcodes2ornt(turn)
    now = nibabel.io_orientation(image.affine)
    nibabel.save(image.as_reoriented(nibabel.orientations.ornt_transform(now, there)), path)


@pytest.mark.parametrize("turn", ["RAS", "LPS", "SAL", "IRP"])
def test_sizes_are_those_of_the_cropped_case_however_it_is_stored(
    tmp_path: Path, turn: str
) -> None:
    fingerprint = fingerprint_of(a_dataset(tmp_path, turn=turn))
    assert [case.shape for case in fingerprint.cases] == [(7, 8, 5)] * 3
    assert all(case.spacing_mm == pytest.approx(SPACING) for case in fingerprint.cases)
    assert fingerprint.relative_size == pytest.approx(7 * 5 / (9 * 7))


def test_intensities_are_those_that_nnunet_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SAMPLES", 3 * 1000)
    dataset = a_dataset(tmp_path, channels=2)
    drawn: list[list[np.ndarray]] = [[], []]
    for case in range(3):
        generator = np.random.RandomState(SEED)
        for channel in (0, 1):
            # nnU-Net's arrays lie (Z, Y, X)
            values = an_image(case, channel).T[a_label().T > 0]
            drawn[channel].append(generator.choice(values, 1000, replace=True))
    for channel, samples in zip(fingerprint_of(dataset).intensities, drawn, strict=True):
        seen = np.concatenate(samples).astype(np.float64)
        low, median, high = np.percentile(seen, (0.5, 50, 99.5))
        expected = (seen.mean(), median, seen.std(), seen.min(), seen.max(), low, high)
        found = (channel.mean, channel.median, channel.std, channel.minimum, channel.maximum)
        assert (*found, channel.low, channel.high) == pytest.approx(expected)


def test_so_many_draws_that_every_voxel_counts_alike_change_next_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = a_dataset(tmp_path)
    monkeypatch.setattr(room, "SAMPLES", 10_000_000)
    (alike,) = fingerprint_of(dataset).intensities
    monkeypatch.setattr(room, "ENOUGH", 10**9)
    (drawn,) = fingerprint_of(dataset).intensities
    assert (alike.minimum, alike.maximum) == (drawn.minimum, drawn.maximum)
    assert (alike.mean, alike.std) == pytest.approx((drawn.mean, drawn.std), rel=1e-3)
    assert alike != drawn


def test_draws_in_parts_are_the_same_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SAMPLES", 30_000)
    dataset = a_dataset(tmp_path, channels=2)
    at_once = fingerprint_of(dataset)
    monkeypatch.setattr(room, "CHUNK", 77)
    assert fingerprint_of(dataset) == at_once


@pytest.mark.parametrize("seed", range(5))
def test_a_tally_has_the_statistics_of_the_draws_written_out(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 50, 30).astype(np.float32)
    counts = generator.integers(1, 9, 30)
    written_out = np.repeat(values, counts).astype(np.float64)
    found = Tally.of(values, counts).statistics()
    low, median, high = np.percentile(written_out, (0.5, 50, 99.5))
    assert (found.low, found.median, found.high) == pytest.approx((low, median, high))
    assert (found.mean, found.std) == pytest.approx((written_out.mean(), written_out.std()))


def test_one_draw_has_statistics_too() -> None:
    found = Tally.of(np.float32([7]), np.array([1])).statistics()
    assert (found.low, found.median, found.high, found.std) == (7, 7, 7, 0)


def test_a_case_without_foreground_adds_no_intensities(tmp_path: Path) -> None:
    whole = fingerprint_of(a_dataset(tmp_path)).intensities
    save(tmp_path / "labelsTr" / "case_1.nii.gz", np.zeros(SHAPE, np.uint8))
    without = fingerprint_of(open_dataset(tmp_path)).intensities
    assert without != whole
    assert without[0].minimum >= 1


def test_a_data_set_without_foreground_is_refused(tmp_path: Path) -> None:
    dataset = a_dataset(tmp_path, label=np.zeros(SHAPE, np.uint8))
    with pytest.raises(BadDataset, match="liver, tumour"):
        fingerprint_of(dataset)


def test_a_case_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    a_dataset(tmp_path)
    broken = an_image(1, 0)
    broken[4, 4, 4] = np.nan
    save(tmp_path / "imagesTr" / "case_1_0000.nii.gz", broken)
    with pytest.raises(BadDataset, match="case_1: 1 of 504 voxels"):
        fingerprint_of(open_dataset(tmp_path))


def test_progress_counts_the_cases_and_may_stop_them(tmp_path: Path) -> None:
    dataset = a_dataset(tmp_path)
    watched = Watched()
    fingerprint_of(dataset, progress=watched)
    assert watched.heard == [(0, 3), (1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled):
        fingerprint_of(dataset, progress=Watched(stop_at=2))


def test_a_split_has_its_own_fingerprint(tmp_path: Path) -> None:
    dataset = a_dataset(tmp_path)
    train = {case.name for case in dataset.split("train")}
    assert {case.name for case in fingerprint_of(dataset, "train").cases} == train
    assert len(fingerprint_of(dataset).cases) == 3
