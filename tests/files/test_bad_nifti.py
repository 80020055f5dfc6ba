"""Broken NIfTI files get an error that says what is wrong, each its own."""

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from verisim import files
from verisim.errors import (
    BadGeometry,
    NotFound,
    TooLarge,
    UnreadableFile,
    UnsupportedVolume,
    VerisimError,
)
from verisim.volume import Volume


def content(change: Callable[[nibabel.Nifti1Header], None] | None = None, pad: int = 0) -> bytes:
    """A good file of noise, with a change to its header."""
    array = np.random.default_rng(0).integers(0, 9, (6, 5, 4)).astype(np.int16)
    image = nibabel.Nifti1Image(array, np.eye(4))
    whole = bytearray(image.to_bytes())
    if change:
        header = image.header.copy()
        header["magic"], header["vox_offset"] = b"n+1", 352
        change(header)
        whole[:348] = header.binaryblock
    return bytes(whole) + bytes(pad)


def setting(**fields: object) -> Callable[[nibabel.Nifti1Header], None]:
    def change(header: nibabel.Nifti1Header) -> None:
        for name, value in fields.items():
            header[name] = value

    return change


def shape(*n: int) -> Callable[[nibabel.Nifti1Header], None]:
    return setting(dim=[len(n), *n, *[1] * (7 - len(n))])


GOOD = content()
SHEARED = setting(srow_x=[1, 1, 0, 0], srow_y=[0, 1, 0, 0], sform_code=1)
SINGULAR = setting(srow_x=[1, 0, 0, 0], srow_y=[1, 0, 0, 0], sform_code=1)
RGB = setting(datatype=128, bitpix=24)
COMPLEX = setting(datatype=32, bitpix=64)

BAD = {
    "empty": ("v.nii.gz", b"", UnreadableFile, "is empty"),
    "no header": ("v.nii", b"short", UnreadableFile, "is not NIfTI"),
    "text as gzip": ("v.nii.gz", b"dear colleague", UnreadableFile, "is not gzip-compressed"),
    "unpacked as gzip": ("v.nii.gz", GOOD, UnreadableFile, "is not gzip-compressed"),
    "text in gzip": ("v.nii.gz", gzip.compress(b"x" * 999), UnreadableFile, "is not NIfTI"),
    "text as nii": ("v.nii", b"dear colleague" * 99, UnreadableFile, "is not NIfTI"),
    "gzip as nii": ("v.nii", gzip.compress(GOOD), UnreadableFile, "is not NIfTI"),
    "cut gzip": ("v.nii.gz", gzip.compress(GOOD)[:-40], UnreadableFile, "gzip data end early"),
    "cut trailer": ("v.nii.gz", gzip.compress(GOOD)[:-2], UnreadableFile, "gzip data end early"),
    "wrong checksum": (
        "v.nii.gz",
        gzip.compress(GOOD)[:-8] + bytes(8),
        UnreadableFile,
        "is damaged: CRC check failed",
    ),
    "cut": ("v.nii", GOOD[:-1], UnreadableFile, "promises 592 bytes, the file has 591"),
    "cut in gzip": ("v.nii.gz", gzip.compress(GOOD[:-9]), UnreadableFile, "is truncated"),
    "promise": ("v.nii", content(shape(9999, 9999, 9999)), UnreadableFile, "is truncated"),
    "promise in gzip": (
        "v.nii.gz",
        gzip.compress(content(shape(9999, 9999, 9999))),
        UnreadableFile,
        "is truncated",
    ),
    "zero axis": ("v.nii", content(shape(6, 0, 4)), UnsupportedVolume, "(6, 0, 4): an axis"),
    "negative axis": ("v.nii", content(shape(6, -5, 4)), UnsupportedVolume, "an axis"),
    "4-D": ("v.nii", content(shape(6, 5, 2, 2)), UnsupportedVolume, "4 axes, (6, 5, 2, 2)"),
    "5-D": ("v.nii", content(shape(6, 5, 2, 1, 2)), UnsupportedVolume, "5 axes, (6, 5, 2, 1, 2)"),
    "RGB": ("v.nii", content(RGB, 999), UnsupportedVolume, "colours"),
    "complex": ("v.nii", content(COMPLEX, 999), UnsupportedVolume, "complex"),
    "singular": ("v.nii", content(SINGULAR), BadGeometry, "is singular"),
    "sheared": ("v.nii", content(SHEARED), BadGeometry, "sheared"),
    "not a number": ("v.nii", content(setting(srow_x=[np.nan] * 4)), BadGeometry, "finite"),
    "no dimension": ("v.nii", content(setting(dim=[0] * 8)), UnsupportedVolume, "no voxels"),
    "unknown type": ("v.nii", content(setting(datatype=77)), UnreadableFile, "broken header"),
    "offset": ("v.nii", content(setting(vox_offset=1e9)), UnreadableFile, "begin at byte 1000"),
    "wrong name": ("v.png", GOOD, UnreadableFile, "no known kind. Accepted: .nii"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_told_by_name_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    name, written, error, message = BAD[case]
    (tmp_path / name).write_bytes(written)
    with pytest.raises(error) as raised:
        files.read(tmp_path / name)
    assert name in str(raised.value)
    assert message in str(raised.value)
    assert raised.value.remedy
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_every_bad_file_has_a_message_of_its_own() -> None:
    assert len({(error, message) for _, _, error, message in BAD.values()}) > 15


@pytest.mark.parametrize("name", ["v.nii.gz", "v.nrrd", "v.dcm", "v.seg.nrrd", "folder"])
@pytest.mark.parametrize("reader", [files.read, files.read_label_map])
def test_a_missing_file_is_told(
    tmp_path: Path, name: str, reader: Callable[[Path], Volume]
) -> None:
    with pytest.raises(NotFound, match=name):
        reader(tmp_path / name)


@pytest.mark.filterwarnings("ignore::verisim.files.GeometryWarning")
def test_any_damaged_byte_of_the_header_gives_a_volume_or_an_error_of_ours(tmp_path: Path) -> None:
    path, told = tmp_path / "v.nii", 0
    for position in range(348):
        damaged = bytearray(GOOD)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert files.read(path).array.size > 0
        except VerisimError:
            told += 1
    assert told > 10


def test_a_volume_beyond_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 100

    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory)
    (tmp_path / "v.nii").write_bytes(GOOD)
    with pytest.raises(TooLarge, match=r"v\.nii holds"):
        files.read(tmp_path / "v.nii")


def test_a_trailing_axis_of_one_volume_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "v.nii").write_bytes(content(shape(6, 5, 4, 1)))
    assert files.read(tmp_path / "v.nii").spatial_shape == (6, 5, 4)


def test_a_single_slice_is_a_volume(tmp_path: Path) -> None:
    (tmp_path / "v.nii").write_bytes(content(shape(6, 5)))
    assert files.read(tmp_path / "v.nii").spatial_shape == (6, 5, 1)


def test_a_slope_is_applied(tmp_path: Path) -> None:
    (tmp_path / "v.nii").write_bytes(content(setting(scl_slope=0.5, scl_inter=-3)))
    (tmp_path / "w.nii").write_bytes(GOOD)
    scaled, stored = files.read(tmp_path / "v.nii").array, files.read(tmp_path / "w.nii").array
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, stored * 0.5 - 3)


def test_two_places_in_one_header_are_told(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((3, 3, 3), np.uint8), np.eye(4))
    image.set_sform(np.diag([2.0, 2, 2, 1]), 1)
    image.set_qform(np.eye(4), 1)
    image.to_filename(tmp_path / "v.nii")
    with pytest.warns(files.GeometryWarning, match=r"two places.*2\.0 mm apart; the sform"):
        volume = files.read(tmp_path / "v.nii")
    assert volume.spacing_mm == (2.0, 2.0, 2.0)


def test_a_header_without_a_place_is_told(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((3, 3, 3), np.uint8), None)
    image.to_filename(tmp_path / "v.nii")
    with pytest.warns(files.GeometryWarning, match="does not say how the patient lies"):
        files.read(tmp_path / "v.nii")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_read(tmp_path: Path, value: float) -> None:
    files.write(tmp_path / "v.nii.gz", Volume(np.full((2, 2, 2), value), np.eye(4)))
    np.testing.assert_array_equal(files.read(tmp_path / "v.nii.gz").array, value)


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::verisim.files.GeometryWarning")
def test_every_real_nifti_reads_as_nibabel_or_is_told(real_data: Path, tmp_path: Path) -> None:
    paths = sorted(
        p
        for f in ("nifti_edge", "volumes", "hippocampus_odd")
        for p in (real_data / f).rglob("*.nii*")
    )
    assert len(paths) > 10
    for path in paths:
        image = nibabel.load(path)
        if image.ndim == 4:
            with pytest.raises(UnsupportedVolume, match="4 axes"):
                files.read(path)
            continue
        volume = files.read(path)
        np.testing.assert_allclose(volume.array, image.get_fdata(), rtol=1e-6)
        np.testing.assert_array_equal(volume.affine, image.affine)
