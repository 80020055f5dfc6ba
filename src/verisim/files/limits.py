"""How much a file of a stranger may become when it is unpacked."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Protocol

from verisim.errors import TooLarge, UnreadableFile

TAIL = 1 << 20
"""Bytes behind the voxels that are let pass: some writers fill up the last block."""

HEADER = 1 << 26
"""Longest header with its extensions, bytes."""

INFLATED = 1 << 28
"""Largest deflated DICOM file, bytes: readers inflate it whole."""

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


def check_inflated(path: Path, stream: Bytes) -> None:
    """Ask that a deflated rest of a file is not beyond the limit; none of it is kept.

    Raises:
        TooLarge: It is.
        zlib.error: It is not deflated.
    """
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    while chunk := inflate.unconsumed_tail or stream.read(CHUNK):
        size += len(inflate.decompress(chunk, CHUNK))
        if size > INFLATED:
            raise TooLarge(
                f"{path.name} inflates to more than {INFLATED / 1e6:.0f} MB.",
                "Export it uncompressed.",
            )
