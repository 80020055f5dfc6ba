"""Small files that unpack to a gigabyte: refused or cut off, without taking the memory."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.bombs import BOMBS, GZIP_HEAD, deflated, forget_peak, nifti_head, peak_mb
from verisim import files
from verisim.errors import TooLarge, UnreadableFile
from verisim.files.limits import CHUNK, TAIL, inflated, limit_voxels
from verisim.volume import Volume

MOST_MB = 100
"""Memory that reading a bomb may take at its peak."""


@pytest.fixture
def limited() -> Iterator[None]:
    """A process that refuses more than a thousand million voxels, as the server does."""
    limit_voxels(1_000_000_000)
    yield
    limit_voxels(None)


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_unpacks_to_a_gigabyte_is_refused(tmp_path: Path, name: str) -> None:
    file, content, error = BOMBS[name]
    path = tmp_path / file
    path.write_bytes(content())
    assert path.stat().st_size < 2_000_000
    before = forget_peak(os.getpid())
    with pytest.raises(error) as caught:
        files.read(path)
    assert peak_mb(os.getpid()) - before < MOST_MB
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


@pytest.mark.parametrize("deflate", [False, True])
def test_a_tower_of_sequences_is_refused_before_a_decoder_climbs_it(
    a_series: Callable[..., Path], tmp_path: Path, deflate: bool
) -> None:
    """ITK's decoder calls itself for each storey: some thousands end the whole process."""
    path = sorted(a_series().iterdir())[0]
    plain = pydicom.dcmread(path)
    if deflate:
        plain.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    plain.add_new(0x0040A730, "SQ", [])
    path = tmp_path / "tower.dcm"
    plain.ContentSequence = [pydicom.Dataset()]
    plain.save_as(path, write_like_original=False)
    assert files.read(path).array.size
    plain[0x0040A730] = RawDataElement(
        BaseTag(0x0040A730), "SQ", len(tower(20_000)), tower(20_000), 0, False, True
    )
    plain.save_as(path, write_like_original=False)
    with pytest.raises(UnreadableFile, match="is damaged"):
        files.read(path)


def tower(storeys: int) -> bytes:
    """The items of a sequence that holds one, that holds one, and so on."""
    heads, size = [], 0
    for _ in range(storeys):
        item = b"\xfe\xff\x00\xe0" + struct.pack("<I", size)
        heads.append(b"\x40\x00\x30\xa7SQ\0\0" + struct.pack("<I", size + 8) + item)
        size += len(heads[-1])
    return b"".join(reversed(heads))[12:]


@pytest.mark.parametrize("behind", [b"", b"\x00", b"\x00" * 3, b"x" * 200_000])
@pytest.mark.parametrize("size", [0, 10, CHUNK, 5 * CHUNK + 7])
def test_what_lies_behind_a_deflated_file_is_not_waited_for(behind: bytes, size: int) -> None:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflate.compress(b"a" * size) + deflate.flush()
    pieces = list(inflated(Path("a.dcm"), io.BytesIO(packed + behind)))
    assert b"".join(pieces) == b"a" * size
