"""Small files that unpack to a gigabyte: refused or cut off, without taking the memory."""

from __future__ import annotations

import bz2
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, generate_uid

from verisim import files
from verisim.errors import TooLarge, UnreadableFile, VerisimError
from verisim.files.limits import TAIL, limit_voxels
from verisim.volume import Volume

GIGABYTE = 1 << 30
MOST_MB = 100
"""Memory that reading a bomb may take at its peak."""

GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"


@pytest.fixture
def limited() -> Iterator[None]:
    """A process that refuses more than a thousand million voxels, as the server does."""
    limit_voxels(1_000_000_000)
    yield
    limit_voxels(None)


def deflated(head: bytes, zeros: int) -> bytes:
    """Some bytes and then zeros, deflated in no time: one packed block is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begun = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begun + block * (zeros >> 20) + packer.flush()


def nifti_head(*shape: int, offset: float = 352) -> bytes:
    """The header of a NIfTI file of bytes, up to its voxels."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header.set_sform(np.eye(4), 1)
    raw = bytearray(header.binaryblock + bytes(4))
    raw[108:112] = struct.pack("<f", offset)
    raw[344:348] = b"n+1\0"
    return bytes(raw)


def nrrd_head(encoding: str, *shape: int) -> bytes:
    """The header of a NRRD file of bytes."""
    sizes = " ".join(map(str, shape))
    return (
        f"NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
        f"space directions: (1,0,0) (0,1,0) (0,0,1)\nencoding: {encoding}\n\n"
    ).encode()


def deflated_dicom() -> bytes:
    """A DICOM file whose deflated data set is a gigabyte of zeros."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    written = io.BytesIO()
    write_file_meta_info(written, meta)
    return bytes(128) + b"DICM" + written.getvalue() + deflated(b"", GIGABYTE)


HUGE = (1024, 1024, 1024)
BOMBS: dict[str, tuple[str, Callable[[], bytes], type[VerisimError]]] = {
    "nii.gz that says so": (
        "v.nii.gz",
        lambda: GZIP_HEAD + deflated(nifti_head(*HUGE), GIGABYTE),
        TooLarge,
    ),
    "nii.gz that hides it": (
        "v.nii.gz",
        lambda: GZIP_HEAD + deflated(nifti_head(4, 4, 4), GIGABYTE),
        UnreadableFile,
    ),
    "nii.gz with a huge header": (
        "v.nii.gz",
        lambda: GZIP_HEAD + deflated(nifti_head(4, 4, 4, offset=1e9), GIGABYTE),
        UnreadableFile,
    ),
    "nrrd that says so": (
        "v.nrrd",
        lambda: nrrd_head("gzip", *HUGE) + GZIP_HEAD + deflated(b"", GIGABYTE),
        TooLarge,
    ),
    "nrrd that hides it": (
        "v.nrrd",
        lambda: nrrd_head("gzip", 4, 4, 4) + GZIP_HEAD + deflated(b"", GIGABYTE),
        UnreadableFile,
    ),
    "nrrd in bzip2": (
        "v.nrrd",
        lambda: nrrd_head("bzip2", 4, 4, 4) + bz2.compress(bytes(10_000_000)) * 100,
        UnreadableFile,
    ),
    "deflated DICOM": ("v.dcm", deflated_dicom, TooLarge),
}


def peak_mb() -> float:
    """The most memory that this process had since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget_peak() -> float:
    """Begin to measure anew; returns the memory of now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_unpacks_to_a_gigabyte_is_refused(tmp_path: Path, name: str) -> None:
    file, content, error = BOMBS[name]
    path = tmp_path / file
    path.write_bytes(content())
    assert path.stat().st_size < 2_000_000
    before = forget_peak()
    with pytest.raises(error) as caught:
        files.read(path)
    assert peak_mb() - before < MOST_MB
    assert caught.value.remedy
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_a_volume_beyond_the_limit_is_refused_by_its_header(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"v{suffix}"
    files.write(path, Volume(np.zeros((10, 10, 11), np.uint8), np.eye(4)))
    assert files.read(path).array.size == 1100
    limit_voxels(1000)
    with pytest.raises(TooLarge, match=r"1,100 voxels; 1,000 are the limit"):
        files.read(path)


def test_a_little_more_than_the_header_promises_is_let_pass(tmp_path: Path) -> None:
    content = GZIP_HEAD + deflated(nifti_head(4, 4, 4) + bytes(64), TAIL)
    sums = struct.pack("<II", zlib.crc32(nifti_head(4, 4, 4) + bytes(64 + TAIL)), 416 + TAIL)
    (tmp_path / "v.nii.gz").write_bytes(content + sums)
    assert files.read(tmp_path / "v.nii.gz").array.shape == (4, 4, 4)


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), -1.0, -1e9])
def test_an_offset_that_is_no_place_is_named(tmp_path: Path, offset: float) -> None:
    (tmp_path / "v.nii").write_bytes(nifti_head(4, 4, 4, offset=offset) + bytes(64))
    with pytest.raises(UnreadableFile, match="broken header"):
        files.read(tmp_path / "v.nii")


def test_a_deflated_slice_is_read_and_one_with_a_wrong_length_is_not(
    a_series: Callable[..., Path], tmp_path: Path
) -> None:
    a_slice = sorted(a_series().iterdir())[0]
    plain = pydicom.dcmread(a_slice)
    plain.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = tmp_path / "deflated.dcm"
    plain.save_as(path, write_like_original=False)
    np.testing.assert_array_equal(files.read(path).array, files.read(a_slice).array)
    content = bytearray(path.read_bytes())
    content[140:144] = struct.pack("<I", struct.unpack("<I", content[140:144])[0] + 1)
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match="does not end"):
        files.read(path)
