"""Lengths that a DICOM file states: decoders make room for them before they look at the file."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.filereader import data_element_generator

UNDEFINED = 0xFFFFFFFF
"""Stated where an element ends by a mark."""

SKIPPED = 1024
"""Values beyond this many bytes are passed over."""

DEEPEST = 32
"""Sequences in sequences; reports have a dozen."""

ITEM = (0xFFFE, 0xE000)
"""Before each fragment of packed pixels (PS3.5, A.4)."""


def check_lengths(header: Dataset, stream: BinaryIO, size: int) -> None:
    """Ask that no element of a file reaches beyond the file.

    A file of a few kilobytes could make a decoder ask for gigabytes otherwise.

    Args:
        header: What was read up to the pixels; there `stream` stands.
        size: Bytes of the file.

    Raises:
        ValueError: One does.
        EOFError: The file ends where a mark should be.
    """
    for dataset in (header.file_meta, header):
        _check_read(dataset)
    order = "<" if header.is_little_endian else ">"
    elements = data_element_generator(
        stream, header.is_implicit_VR, header.is_little_endian, defer_size=SKIPPED
    )
    for element in elements:
        if not isinstance(element, RawDataElement):  # a sequence after the pixels
            _check_items(element.value, 1)
        elif element.length == UNDEFINED:
            place = stream.tell()
            for end in _fragment_ends(stream, element.value_tell, order):
                _check_end(str(element.tag), end, size)
            stream.seek(place)
        else:
            _check_end(str(element.tag), element.value_tell + element.length, size)


def _check_read(dataset: Dataset, depth: int = 0) -> None:
    """Ask that all values are as long as stated; short ones were cut off by the file's end."""
    for element in list(dataset.values()):
        if not isinstance(element, RawDataElement):
            if element.VR == "SQ":
                _check_items(element.value, depth + 1)
            continue
        found = len(element.value or b"")
        if element.length not in (UNDEFINED, found):
            raise ValueError(
                f"the element {element.tag} states {element.length} bytes, there are {found}"
            )
        if _kind(element) == "SQ":
            _check_items(dataset[element.tag].value, depth + 1)


def _check_items(items: Iterable[Dataset], depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError(f"its items of sequences are nested more than {DEEPEST} times")
    for item in items:
        _check_read(item, depth)


def _kind(element: RawDataElement) -> str:
    if element.VR:
        return str(element.VR)
    try:
        return str(dictionary_VR(element.tag))
    except KeyError:  # private
        return "UN"


def _fragment_ends(stream: BinaryIO, start: int, order: str) -> Iterator[int]:
    """Where each fragment of packed pixels ends."""
    stream.seek(start)
    while len(head := stream.read(8)) == 8:
        group, number, length = struct.unpack(f"{order}HHL", head)
        if (group, number) != ITEM:
            return
        yield stream.tell() + length
        stream.seek(length, 1)


def _check_end(tag: str, end: int, size: int) -> None:
    if end > size:
        raise ValueError(f"the element {tag} ends at byte {end}, the file has {size}")
