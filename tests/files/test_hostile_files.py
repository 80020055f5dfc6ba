"""Files made to hurt: what the damaged uploads of the benchmark brought to light."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from verisim import files
from verisim.errors import BadGeometry, UnreadableFile
from verisim.volume import LabelMap, Volume

GIGABYTE = 0x40000000


def _slice(a_series: Callable[..., Path]) -> Path:
    return sorted(a_series().iterdir())[0]


def _segmentation(a_series: Callable[..., Path], path: Path) -> Path:
    folder = a_series()
    image = files.read(folder)
    array = np.zeros(image.array.shape, np.uint8)
    array[1:3, 1:3, :] = 1
    files.write(path, LabelMap(array, image.affine, {"part": 1}), reference=folder)
    return path


@pytest.mark.parametrize("place", ["behind the pixels", "before the pixels", "in a sequence"])
def test_an_element_longer_than_its_file_is_refused_before_room_is_made_for_it(
    a_series: Callable[..., Path], place: str
) -> None:
    path = _slice(a_series)
    whole = path.read_bytes()
    pixels = whole.index(struct.pack("<HH", 0x7FE0, 0x0010))
    long = struct.pack("<HH2sHI", 0x7FD1, 0x0010, b"OB", 0, GIGABYTE)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(long) + 8) + long + bytes(8)
    sequence = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, len(item)) + item
    damaged = {
        "behind the pixels": whole + long,
        "before the pixels": whole[:pixels] + long + whole[pixels:],
        "in a sequence": whole[:pixels] + sequence + whole[pixels:],
    }
    path.write_bytes(damaged[place])
    before = psutil.Process().memory_info().rss
    with pytest.raises(UnreadableFile, match="damaged"):
        files.read(path)
    assert psutil.Process().memory_info().rss - before < GIGABYTE / 10


def test_zeros_behind_the_pixels_are_let_pass(a_series: Callable[..., Path]) -> None:
    path = _slice(a_series)
    path.write_bytes(path.read_bytes() + bytes(64))
    assert files.read(path).array.size


@pytest.mark.parametrize("name", ["x" * 5000, "é" * 200, "a\\b", "."])
def test_a_nrrd_may_not_name_a_file_that_no_disk_could_hold(tmp_path: Path, name: str) -> None:
    path = tmp_path / "volume.nrrd"
    files.write(path, Volume(np.zeros((2, 3, 4), np.uint8), np.eye(4)))
    head, _, voxels = path.read_bytes().partition(b"\n\n")
    path.write_bytes(head + f"\ndata file: {name}".encode() + b"\n\n" + voxels)
    with pytest.raises(UnreadableFile, match="no file beside it"):
        files.read(path)


def test_a_segmentation_that_no_decoder_unpacks_is_refused(
    a_series: Callable[..., Path], tmp_path: Path
) -> None:
    path = _segmentation(a_series, tmp_path / "labels.dcm")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0\0"] * int(dataset.NumberOfFrames))
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(UnreadableFile):
        files.read_label_map(path)


@pytest.mark.parametrize("position", ["1e12", "nan"])
def test_a_segmentation_whose_frames_lie_kilometres_apart_is_refused(
    a_series: Callable[..., Path], tmp_path: Path, position: str
) -> None:
    path = _segmentation(a_series, tmp_path / "labels.dcm")
    dataset = pydicom.dcmread(path)
    frame = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    frame.ImagePositionPatient = [float(position)] * 3
    dataset.save_as(path)
    with pytest.raises((BadGeometry, UnreadableFile)):
        files.read_label_map(path)
