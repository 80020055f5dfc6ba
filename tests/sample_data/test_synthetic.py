"""The synthetic sample data: let out by an audit, marked, small, and nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from verisim import files
from verisim.audit.report import read_report
from verisim.audit.verification import verify
from verisim.dataset import open_dataset
from verisim.files.marks import is_marked
from verisim.installed import SHIPPED_MODELS, find_card

SAMPLES = Path(__file__).parents[2] / "sample-data"
FOLDERS = (SAMPLES / "synthetic", SAMPLES / "synthetic-dicom")
LARGEST = 3_000_000


@pytest.mark.parametrize("folder", FOLDERS, ids=["volumes", "series"])
def test_every_certificate_holds(folder: Path) -> None:
    found = verify(folder)
    assert found.flaws == ()
    assert found.cases


def test_the_audit_was_against_patients_and_let_the_set_pass() -> None:
    report = read_report(FOLDERS[0] / "audit.json")
    assert report.word == "pass"
    assert report.training.patients > 100
    assert len(report.cases) == len(verify(FOLDERS[0]).cases)
    assert all(sight.nearest.startswith("training ") for sight in report.cases[0].sights)


def test_the_volumes_are_a_data_set_of_marked_images() -> None:
    opened = open_dataset(FOLDERS[0])
    labels = find_card("hippocampus-diffusion", SHIPPED_MODELS).labels
    for case in opened.cases:
        assert is_marked(case.images[0])
        volume, label_map = case.pair(labels)
        assert volume.spatial_shape == label_map.spatial_shape


def test_the_series_holds_the_voxels_of_a_volume() -> None:
    (series,) = (FOLDERS[1] / "imagesTr").iterdir()
    assert is_marked(series)
    volume = files.read(FOLDERS[0] / "imagesTr" / f"{series.name}.nii.gz")
    found = files.read(series).reoriented(volume.orientation)
    assert (found.array == volume.array).all()


def test_they_are_small() -> None:
    every = [path for folder in FOLDERS for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in every) < LARGEST
