"""A folder of synthetic cases: marked in every file, and a data set that can be learned from."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from verisim import files
from verisim.card import ModelCard
from verisim.dataset import open_dataset
from verisim.errors import BadInput, UnsupportedVolume
from verisim.files import dicom_synthetic
from verisim.synthesis import Synthesizer, SyntheticCase
from verisim.synthesis.case_set import CaseSet
from verisim.volume import Volume


@pytest.fixture
def cases(a_generator: ModelCard) -> list[SyntheticCase]:
    return list(Synthesizer(a_generator)(range(3)))


@pytest.mark.parametrize("kind", ["nifti", "nrrd", "dicom"])
def test_what_is_written_is_read_again(
    kind: str, a_generator: ModelCard, cases: list[SyntheticCase], tmp_path: Path
) -> None:
    written = CaseSet(tmp_path / "set", a_generator, kind)  # type: ignore[arg-type]  # parametrized
    for case in cases:
        image = files.read(written.add(case))
        found = image.reoriented(case.volume.orientation)
        np.testing.assert_array_equal(found.array, case.volume.array)
        np.testing.assert_allclose(found.affine, case.volume.affine, atol=1e-4)


def test_the_folder_is_a_data_set(
    a_generator: ModelCard, cases: list[SyntheticCase], tmp_path: Path
) -> None:
    written = CaseSet(tmp_path, a_generator)
    for case in cases:
        written.add(case)
    opened = open_dataset(tmp_path)
    assert len(opened.split("all")) == 3
    assert opened.name.startswith("SYNTHETIC")
    volume, label_map = opened.split("all")[0].pair(a_generator.labels)
    np.testing.assert_array_equal(volume.array, cases[0].volume.array)
    np.testing.assert_array_equal(label_map.array, cases[0].label_map.array)


def test_nifti_says_so_in_its_header(
    a_generator: ModelCard, cases: list[SyntheticCase], tmp_path: Path
) -> None:
    path = CaseSet(tmp_path, a_generator).add(cases[1])
    label = tmp_path / "labelsTr" / f"{cases[1].provenance.name}.nii.gz"
    for one in (path, label):
        said = bytes(nibabel.load(one).header["descrip"]).decode()
        assert said.startswith("SYNTHETIC tiny-generator v1 seed 0 number 1")


def test_nrrd_says_so_in_its_header(
    a_generator: ModelCard, cases: list[SyntheticCase], tmp_path: Path
) -> None:
    path = CaseSet(tmp_path, a_generator, "nrrd").add(cases[0])
    head = path.read_bytes()[:4000]
    assert b"SYNTHETIC" in head
    assert a_generator.sha256.encode() in head


def test_dicom_says_so_in_every_slice_and_names_nobody(
    a_generator: ModelCard, cases: list[SyntheticCase], tmp_path: Path
) -> None:
    folder = CaseSet(tmp_path, a_generator, "dicom").add(cases[0])
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    assert len(slices) == cases[0].volume.spatial_shape[2]
    for one in slices:
        assert one[0x0008001C].value == "YES"
        assert list(one.ImageType[:2]) == ["DERIVED", "SECONDARY"]
        assert one.SeriesDescription.startswith("SYNTHETIC")
        assert json.loads(one.ImageComments)["synthetic"] is True
        assert one.PatientName == "SYNTHETIC^VERISIM"
    assert len({one.SOPInstanceUID for one in slices}) == len(slices)
    again = CaseSet(tmp_path / "again", a_generator, "dicom").add(cases[0])
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_a_series_keeps_the_place_of_a_turned_volume(tmp_path: Path, a_volume: Volume) -> None:
    whole = a_volume.apply(lambda array: (100 * np.abs(array)).astype(np.int16))
    dicom_synthetic.write(tmp_path, whole, "SYNTHETIC", "")
    found = files.read(tmp_path).reoriented(whole.orientation)
    np.testing.assert_allclose(found.affine, whole.affine, atol=1e-3)
    np.testing.assert_array_equal(found.array, whole.array)


@pytest.mark.parametrize("array", [np.full((2, 2, 2), -1, np.int16), np.full((2, 2, 2), 0.5)])
def test_intensities_that_no_series_holds_are_refused(array: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVolume, match="cannot hold"):
        dicom_synthetic.write(tmp_path / "series", Volume(array, np.eye(4)), "SYNTHETIC")
    assert not (tmp_path / "series").exists()


def test_a_case_that_is_there_is_known(
    a_generator: ModelCard, cases: list[SyntheticCase], tmp_path: Path
) -> None:
    written = CaseSet(tmp_path, a_generator)
    assert not written.has(cases[0].provenance)
    written.add(cases[0])
    assert written.has(cases[0].provenance)
    path = tmp_path / "provenance" / f"{cases[0].provenance.name}.json"
    path.write_text(path.read_text().replace('"steps": 3', '"steps": 30'))
    with pytest.raises(BadInput, match="another case"):
        written.has(cases[0].provenance)
