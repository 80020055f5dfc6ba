"""The sample data: let out by an audit, marked, small, and nobody's; and nothing else."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from tests.samples import IMAGE, LABEL, RELEASED, SAMPLES, SERIES, STUDIES
from verisim import files
from verisim.audit.certificate import sha256_of
from verisim.audit.manifest import MANIFEST, parsed
from verisim.audit.pool import certificates_in, unreleased
from verisim.audit.report import read_report
from verisim.audit.verification import verify
from verisim.dataset import open_dataset
from verisim.files.marks import is_marked
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.volume import LabelMap, Volume

FOLDERS = (RELEASED, SAMPLES / "synthetic-dicom")
LARGEST = 3_000_000
LABELS = find_card("hippocampus-diffusion", SHIPPED_MODELS).labels


def tree(folder: Path) -> dict[str, bytes]:
    """Every file by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Volume, LabelMap]]:
    """Image and label map of each released case."""
    return [case.pair(LABELS) for case in open_dataset(RELEASED).cases]


@pytest.mark.parametrize("folder", FOLDERS, ids=["volumes", "series"])
def test_every_certificate_holds(folder: Path) -> None:
    found = verify(folder)
    assert found.flaws == ()
    assert found.cases


def test_the_audit_was_against_patients_and_let_the_set_pass() -> None:
    report = read_report(RELEASED / "audit.json")
    assert report.word == "pass"
    assert report.training.patients > 100
    assert len(report.cases) == len(verify(RELEASED).cases)
    assert all(sight.nearest.startswith("training ") for sight in report.cases[0].sights)


def test_every_image_and_label_is_a_released_file() -> None:
    manifests = [parsed((folder / MANIFEST).read_bytes()) for folder in FOLDERS]
    released = {entry.sha256 for one in manifests for entry in one.files}
    shown = [path for path in SAMPLES.rglob("*") if path.name.endswith((".nii.gz", ".dcm"))]
    assert len(shown) > 80
    assert [path for path in shown if sha256_of(path) not in released] == []


def test_the_studies_are_what_the_script_lays_out(tmp_path: Path) -> None:
    script = runpy.run_path(str(SAMPLES / "make_sample_data.py"))
    script["write_studies"](RELEASED, tmp_path / "studies")
    assert tree(tmp_path / "studies") == tree(STUDIES)


def test_the_studies_are_a_labelled_case_and_one_to_label_that_may_be_learned_from() -> None:
    opened = open_dataset(STUDIES)
    assert [case.name for case in opened.cases] == ["synthetic_001"]
    assert len(list(STUDIES.glob("*.nii.gz"))) == 2
    certificates = certificates_in(STUDIES / "certificates")
    assert unreleased(opened.cases, ()) == ("synthetic_001",)
    assert unreleased(opened.cases, certificates) == ()
    sealed = {file.sha256 for one in certificates for file in one.files}
    assert {sha256_of(path) for path in STUDIES.glob("*.nii.gz")} <= sealed


def test_the_volumes_are_a_data_set_of_marked_images(
    pairs: list[tuple[Volume, LabelMap]],
) -> None:
    assert all(is_marked(case.images[0]) for case in open_dataset(RELEASED).cases)
    for volume, label_map in pairs:
        assert label_map.shares_grid(volume)
        assert volume.orientation == "RAS"
        assert volume.spacing_mm == (1, 1, 1)


def test_the_labels_have_the_size_and_order_of_a_hippocampus(
    pairs: list[tuple[Volume, LabelMap]],
) -> None:
    for _, label_map in pairs:
        assert set(np.unique(label_map.array)) == {0, 1, 2}
        assert all(1 < volume < 2.5 for volume in label_map.volumes_ml.values())
        front, back = (np.argwhere(label_map.binary(name))[:, 1] for name in LABELS)
        assert front.min() >= back.max() - 1


def test_grey_lies_between_fluid_and_white_matter(pairs: list[tuple[Volume, LabelMap]]) -> None:
    for volume, label_map in pairs:
        dark, bright = np.percentile(volume.array, (1, 95))
        for name in LABELS:
            grey = volume.array[label_map.binary(name)].mean()
            assert 2 * dark < grey < 0.7 * bright


def test_the_series_lies_on_its_volume_voxel_for_voxel() -> None:
    assert is_marked(SERIES)
    reader = SimpleITK.ImageSeriesReader()
    assert len(reader.GetGDCMSeriesIDs(str(SERIES))) == 1
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(SERIES)))
    series = SimpleITK.DICOMOrient(reader.Execute(), "LPS")
    volume = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(IMAGE)), "LPS")
    assert series.GetOrigin() == pytest.approx(volume.GetOrigin(), abs=1e-6)
    assert series.GetSpacing() == pytest.approx(volume.GetSpacing(), abs=1e-6)
    assert series.GetDirection() == pytest.approx(volume.GetDirection(), abs=1e-6)
    first, second = (SimpleITK.GetArrayFromImage(one) for one in (series, volume))
    assert np.array_equal(first, second)


def test_a_scan_holds_the_anatomy_of_the_sample_elsewhere(scanned: Path) -> None:
    found, sample = files.read(scanned).reoriented("RAS"), files.read(IMAGE)
    assert np.array_equal(found.array, sample.array)
    assert files.read(LABEL).shares_grid(sample)
    assert not found.shares_grid(sample)


def test_they_are_small() -> None:
    every = [
        path for folder in (*FOLDERS, STUDIES) for path in folder.rglob("*") if path.is_file()
    ]
    assert sum(path.stat().st_size for path in every) < LARGEST
