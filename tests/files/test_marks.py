"""The mark of being nobody, in every format."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from verisim import files
from verisim.errors import UnreadableFile
from verisim.files import dicom_synthetic, nifti
from verisim.files.marks import copy_marked, is_marked
from verisim.volume import Volume

WORDS = "SYNTHETIC made by a test"


def a_volume() -> Volume:
    array = np.random.default_rng(0).integers(0, 900, (6, 5, 4)).astype(np.uint16)
    return Volume(array, np.diag([1.0, 2.0, 3.0, 1.0]))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd"])
def test_a_copy_is_marked_and_keeps_voxels_and_place(name: str, tmp_path: Path) -> None:
    files.write(tmp_path / name, a_volume())
    assert not is_marked(tmp_path / name)
    copy_marked(tmp_path / name, tmp_path / "b" / name, WORDS)
    assert is_marked(tmp_path / "b" / name)
    found = files.read(tmp_path / "b" / name)
    np.testing.assert_array_equal(found.array, a_volume().array)
    np.testing.assert_allclose(found.affine, a_volume().affine)


def test_what_is_marked_is_copied_byte_by_byte(tmp_path: Path) -> None:
    nifti.write(tmp_path / "a.nii.gz", a_volume(), WORDS)
    copy_marked(tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", "SYNTHETIC otherwise")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_series_is_marked_by_its_files(tmp_path: Path) -> None:
    dicom_synthetic.write(tmp_path / "series", a_volume(), WORDS)
    assert is_marked(tmp_path / "series")
    file = tmp_path / "series" / "IM00001.dcm"
    plain = tmp_path / "plain.dcm"
    told = pydicom.dcmread(file)
    del told[dicom_synthetic.SYNTHETIC_DATA]
    told.SeriesDescription = "T1"
    told.save_as(plain)
    assert not is_marked(plain)
    copy_marked(plain, tmp_path / "again.dcm", WORDS)
    again = pydicom.dcmread(tmp_path / "again.dcm")
    assert again[dicom_synthetic.SYNTHETIC_DATA].value == "YES"
    assert (again.pixel_array == told.pixel_array).all()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.dcm", "a.png"])
@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"NRRD", b"SYNTHETIC", b"\x5c\x01\0\0"])
def test_a_broken_file_is_not_marked(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert not is_marked(tmp_path / name)


def test_a_format_without_a_place_for_the_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(UnreadableFile, match="no place for the mark"):
        copy_marked(tmp_path / "a.png", tmp_path / "b.png", WORDS)
    assert not (tmp_path / "b.png").exists()
