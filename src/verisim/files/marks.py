"""The mark in a file's own header that says: this is nobody."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from verisim.errors import UnreadableFile
from verisim.files.atomic import make_folder, replacing
from verisim.files.dicom_series import BROKEN
from verisim.files.dicom_synthetic import SYNTHETIC_DATA
from verisim.files.nrrd import HEADER_LIMIT
from verisim.files.source import NIFTI, NRRD, SEGMENTATION_NRRD, suffix_of

MARK = "SYNTHETIC"
"""What every name, header and description of a synthetic case begins with."""

NIFTI_DESCRIPTION = {348: 148, 540: 240}
"""Where the description begins in NIfTI-1 and NIfTI-2, by the size of the header."""

LETTERS = 80
"""Of a NIfTI description."""

NRRD_LINES = (f"{MARK}:=".encode(), f"content: {MARK}".encode())
"""How a marked line of a NRRD header begins."""


UNREADABLE = (*BROKEN, InvalidDicomError)
"""What readers of headers raise."""


def is_marked(path: Path) -> bool:
    """Whether a file, or the first file of a DICOM series, says that it is synthetic.

    A file whose header cannot be read is not marked: whoever reads its voxels refuses it.

    Args:
        path: A file or a folder.
    """
    return any(_is_marked(file) for file in files_of(path)[:1])


def files_of(path: Path) -> tuple[Path, ...]:
    """The file itself, or all files of a folder by name, links to elsewhere included."""
    if path.is_dir():
        return tuple(sorted(one for one in path.rglob("*") if one.is_file()))
    return (path,)


def copy_marked(source: Path, target: Path, description: str) -> None:
    """Copy a file so that its header says that it is synthetic; the voxels stay as they are.

    Args:
        source: A file; one that is marked already is copied byte by byte.
        target: Its new place, in a folder that is made.
        description: What the mark says, beginning with SYNTHETIC.

    Raises:
        UnreadableFile: A format without a place for the mark.
        StorageFailed: The disk refused.
    """
    content = source.read_bytes() if is_marked(source) else _marked(source, description)
    make_folder(target.parent)
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def _is_marked(path: Path) -> bool:
    suffix = suffix_of(path)
    try:
        if suffix in NIFTI:
            return _described(_head(path)).startswith(MARK.encode())
        if suffix in (*NRRD, SEGMENTATION_NRRD):
            with path.open("rb") as stream:
                return any(line.startswith(NRRD_LINES) for line in _nrrd_lines(stream))
        return _says_synthetic(dcmread(path, stop_before_pixels=True))
    except UNREADABLE:
        return False


def _head(path: Path) -> bytes:
    with gzip.open(path) if suffix_of(path) == ".nii.gz" else path.open("rb") as stream:
        return bytes(stream.read(max(NIFTI_DESCRIPTION)))


def _described(head: bytes) -> bytes:
    start = _description_start(head)
    return head[start : start + LETTERS]


def _description_start(head: bytes) -> int:
    sizes = (struct.unpack(f"{order}i", head[:4])[0] for order in "<>")
    starts = [NIFTI_DESCRIPTION[size] for size in sizes if size in NIFTI_DESCRIPTION]
    if not starts:
        raise ValueError("no NIfTI header")
    return starts[0]


def _nrrd_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The header, line by line, up to the empty line before the voxels."""
    size = 0
    while (line := stream.readline(HEADER_LIMIT)).strip() and size < HEADER_LIMIT:
        size += len(line)
        yield line


def _says_synthetic(header: Dataset) -> bool:
    said = header.get(SYNTHETIC_DATA)
    yes = said is not None and str(said.value).strip().upper() == "YES"
    return yes or str(header.get("SeriesDescription", "")).startswith(MARK)


def _marked(source: Path, description: str) -> bytes:
    suffix = suffix_of(source)
    if suffix in NIFTI:
        return _marked_nifti(source, description)
    if suffix in (*NRRD, SEGMENTATION_NRRD):
        magic, _, rest = source.read_bytes().partition(b"\n")
        # NRRD0001 knows no fields of one's own
        return max(magic, b"NRRD0002") + f"\n{MARK}:={description}\n".encode() + rest
    try:
        return _marked_dicom(source, description)
    except UNREADABLE as error:
        raise UnreadableFile(
            f"{source.name} has no place for the mark that it is synthetic.",
            "Write the case as NIfTI, NRRD or DICOM, and audit it again.",
        ) from error


def _marked_nifti(source: Path, description: str) -> bytes:
    packed = suffix_of(source) == ".nii.gz"
    content = gzip.decompress(source.read_bytes()) if packed else source.read_bytes()
    start = _description_start(content)
    words = description.encode("ascii", "replace")[: LETTERS - 1].ljust(LETTERS, b"\0")
    content = content[:start] + words + content[start + LETTERS :]
    return gzip.compress(content, mtime=0) if packed else content


def _marked_dicom(source: Path, description: str) -> bytes:
    file = dcmread(source)
    file.add_new(SYNTHETIC_DATA, "CS", "YES")
    file.SeriesDescription = description[:64]
    stream = io.BytesIO()
    file.save_as(stream)
    return stream.getvalue()
