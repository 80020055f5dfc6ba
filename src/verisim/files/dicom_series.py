"""The DICOM series of a folder, and the headers of their files."""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from verisim.errors import NotFound, SeveralSeries, UnreadableFile
from verisim.files.dicom_lengths import check_lengths
from verisim.files.limits import CHUNK, check_items, inflated

USED = (
    *("SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality", "Rows", "Columns"),
    *("NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
)
"""What every reader here asks of a header."""

META_START = 144
"""Bytes before the file meta information, its own length included (PS3.10, 7.1)."""

SHORT_HEAD, LONG_HEAD = 8, 12
"""Bytes before the pixels themselves: tag, type and length (PS3.5, 7.1)."""

BROKEN = (
    *(AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OSError),
    *(OverflowError, RecursionError, TypeError, ValueError, struct.error, zlib.error),
    BytesLengthException,
)
"""What pydicom raises for files that break the standard."""


@dataclass(frozen=True)
class Series:
    """One series of images in a folder.

    Args:
        files: In the order of their names.
    """

    uid: str
    description: str
    modality: str
    files: tuple[Path, ...]

    @property
    def slices(self) -> int:
        """Number of files."""
        return len(self.files)


def series_in(folder: Path) -> tuple[Series, ...]:
    """List the image series of a folder (not of its subfolders); other files are ignored.

    Raises:
        NotFound: No such folder.
        UnreadableFile: Not one DICOM image in it, or a damaged one.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", "Check the name.")
    groups: defaultdict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for path, header in _image_headers(folder):
        groups[str(header.get("SeriesInstanceUID", ""))].append((path, header))
    if not groups:
        raise UnreadableFile(
            f"The folder {folder.name} holds no DICOM image.", "Name the folder of the series."
        )
    return tuple(_series(uid, members) for uid, members in sorted(groups.items()))


def chosen_series(folder: Path, uid: str | None) -> Series:
    """The series of that SeriesInstanceUID, or the only one.

    Raises:
        SeveralSeries: More than one, and none chosen.
        NotFound: No series of that UID.
    """
    found = series_in(folder)
    listing = "; ".join(f"{s.uid} ({s.description}, {s.slices} files)" for s in found)
    if uid is None and len(found) > 1:
        raise SeveralSeries(
            f"The folder {folder.name} holds {len(found)} series: {listing}.",
            "Name one of them by its UID.",
        )
    matching = [series for series in found if uid in (None, series.uid)]
    if not matching:
        raise NotFound(f"The folder {folder.name} has no series {uid}.", f"It holds {listing}.")
    return matching[0]


def read_header(path: Path) -> Dataset:
    """The header of a DICOM image, with a check that all its pixels are there.

    Raises:
        UnreadableFile: Not DICOM, damaged or truncated.
    """
    try:
        _check_inflated(path)
        with path.open("rb") as stream:
            header = dcmread(stream, stop_before_pixels=True)
            size = path.stat().st_size
            left = size - stream.tell()
            if header.file_meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
                check_lengths(header, stream, size)
            for keyword in USED:
                header.get(keyword)  # pydicom decodes an element when it is asked for
            _check_pixels(path, header, left)
    except InvalidDicomError as error:
        raise UnreadableFile(
            f"{path.name} is not DICOM: it lacks the mark DICM.", "Export it as DICOM part 10."
        ) from error
    except BROKEN as error:
        raise UnreadableFile(
            f"{path.name} is damaged: {error}.", "Copy or export it again."
        ) from error
    return header


def check_tower(path: Path) -> None:
    """Ask that the sequences of an image are not nested so deep that a decoder falls.

    Raises:
        UnreadableFile: They may be.
    """
    with path.open("rb") as stream:
        rest = iter(lambda: stream.read(CHUNK), b"")
        check_items(path, inflated(path, stream) if _is_deflated(stream) else rest)


def _check_inflated(path: Path) -> None:
    """Refuse a deflated file that becomes too large, before a reader inflates it whole."""
    with path.open("rb") as stream:
        if _is_deflated(stream):
            deque(inflated(path, stream), maxlen=0)


def _is_deflated(stream: BinaryIO) -> bool:
    """Whether the rest of a DICOM file, to which this moves, is deflated."""
    read_preamble(stream, force=False)
    meta = _read_file_meta_info(stream)
    if getattr(meta, "TransferSyntaxUID", "") != DeflatedExplicitVRLittleEndian:
        return False
    # readers that go by the stated length must come to the same place
    stated = META_START + int(getattr(meta, "FileMetaInformationGroupLength", -1))
    if stated != stream.tell():
        raise ValueError(f"its file meta information does not end at byte {stated}")
    return True


def is_dicom(path: Path) -> bool:
    """Whether a file bears the mark of DICOM, whatever its name.

    Raises:
        UnreadableFile: The file may not be opened.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError as error:
        raise UnreadableFile(
            f"{path.name} cannot be opened: {error.strerror}.", "Check its permissions."
        ) from error


def _image_headers(folder: Path) -> Iterator[tuple[Path, Dataset]]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and is_dicom(path):
            header = read_header(path)
            # segmentations, reports and plans may lie beside the images they belong to
            if "Rows" in header and header.get("Modality") != "SEG":
                yield path, header


def _series(uid: str, members: list[tuple[Path, Dataset]]) -> Series:
    header = members[0][1]
    description = str(header.get("SeriesDescription", "") or "no description")
    modality = str(header.get("Modality", ""))
    return Series(uid, description, modality, tuple(path for path, _ in members))


def _check_pixels(path: Path, header: Dataset, left: int) -> None:
    """Ask that uncompressed pixels are all there; decoders notice it for compressed ones."""
    syntax = UID(getattr(header.file_meta, "TransferSyntaxUID", ""))
    packed = syntax.is_private or not syntax.is_transfer_syntax or syntax.is_compressed
    if packed or syntax == DeflatedExplicitVRLittleEndian or "Rows" not in header:
        return
    samples = header.Rows * header.Columns * int(header.get("NumberOfFrames", 1) or 1)
    bits = samples * header.get("SamplesPerPixel", 1) * header.BitsAllocated
    promised = bits // 8 + (SHORT_HEAD if header.is_implicit_VR else LONG_HEAD)
    if header.get("PhotometricInterpretation") != "YBR_FULL_422" and left < promised:
        raise UnreadableFile(
            f"{path.name} is truncated: its header promises {promised} bytes of pixels, "
            f"the file has {left}.",
            "Copy or export it again.",
        )
