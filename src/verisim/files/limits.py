"""How much a file of a stranger may become when it is unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from verisim.errors import TooLarge, UnreadableFile

TAIL = 1 << 20
"""Bytes behind the voxels that are let pass: some writers fill up the last block."""

HEADER = 1 << 26
"""Longest header with its extensions, bytes."""

INFLATED = 1 << 28
"""Largest deflated DICOM file, bytes: readers inflate it whole."""

ITEMS = 1000
"""Items of sequences in an image of one slice; a tower of 5000 is more than decoders can climb."""

ITEM = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""How an item begins, in either byte order (PS3.5, 7.5)."""

CHUNK = 1 << 16

_largest: int | None = None


class Bytes(Protocol):
    """Anything to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; fewer at the end."""


def limit_voxels(count: int | None) -> None:
    """From now on this process refuses larger volumes, by their headers; None: whatever fits.

    It holds for the whole process, since a server must not have a reader that forgets it.
    """
    global _largest
    _largest = count


def check_voxels(path: Path, count: int) -> None:
    """Ask that a volume is not beyond the limit.

    Raises:
        TooLarge: It is.
    """
    if _largest is not None and count > _largest:
        raise TooLarge(
            f"{path.name} holds {count:,} voxels; {_largest:,} are the limit.",
            "Crop or resample it, or start the server with a larger --conf max_voxels.",
        )


def check_end(path: Path, stream: Bytes) -> None:
    """Ask that a packed file ends about where its header says; no more of it is unpacked.

    Reaching the end also lets gzip compare its checksum.

    Raises:
        UnreadableFile: There is much more in it.
    """
    if len(stream.read(TAIL + 1)) > TAIL:
        raise UnreadableFile(
            f"{path.name} unpacks to more than its header promises; it was cut off there.",
            "Save the volume again as a file of its own.",
        )


def inflated(path: Path, stream: Bytes) -> Iterator[bytes]:
    """A deflated rest of a file, piece by piece, up to the limit.

    Raises:
        TooLarge: It is beyond.
        zlib.error: It is not deflated.
    """
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    while not inflate.eof and (chunk := inflate.unconsumed_tail or stream.read(CHUNK)):
        piece = inflate.decompress(chunk, CHUNK)
        size += len(piece)
        if size > INFLATED:
            raise TooLarge(
                f"{path.name} inflates to more than {INFLATED / 1e6:.0f} MB.",
                "Export it uncompressed.",
            )
        yield piece
    yield inflate.flush()  # no more than a window of it can be left


def check_items(path: Path, pieces: Iterable[bytes]) -> None:
    """Ask that a DICOM image has no deep tower of sequences: decoders climb it until they fall.

    Raises:
        UnreadableFile: It could have.
    """
    found, end = 0, b""
    for piece in pieces:
        window = end + piece
        found += sum(window.count(item) for item in ITEM)
        end = window[-3:]  # shorter than an item's tag, so none is counted twice
        if found > ITEMS:
            raise UnreadableFile(
                f"{path.name} is damaged: its header holds more than {ITEMS} items of sequences.",
                "Export the image again.",
            )
