"""Images that are mapped from disk: read ahead of use, and given back after it."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

AHEAD = 1 << 26
"""Bytes that the operating system is asked to read while others are worked on."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """The mapping behind an array, or none where the array lies in memory.

    Args:
        file: The mapping.
        first: Byte of it at which the array begins; none if the array is no plain part of it.
        row_bytes: From one row to the next.
    """

    file: mmap.mmap | None
    first: int | None = None
    row_bytes: int = 0

    @classmethod
    def of(cls, images: npt.NDArray[np.generic]) -> Mapped:
        """Of images (N, …)."""
        base: object = images
        while isinstance(base, np.ndarray):
            if isinstance(base, np.memmap) and base.mode == "c":
                return cls(None)  # what was changed in memory alone must not be given back
            base = base.base
        if not isinstance(base, mmap.mmap):
            return cls(None)
        first = images.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data
        return cls(base, first if images.flags.c_contiguous else None, images.strides[0])

    def ahead(self, start: int) -> None:
        """Have the rows from `start` on read, without waiting for them."""
        if self.file is None or self.first is None or not hasattr(mmap, "MADV_WILLNEED"):
            return
        begin = (self.first + start * self.row_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
        length = min(AHEAD, len(self.file) - begin)
        if length > 0:
            self.file.madvise(mmap.MADV_WILLNEED, begin, length)

    def let_go(self) -> None:
        """Give back what was read: mapped pages count as memory of the process until then."""
        if self.file is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.file.madvise(mmap.MADV_DONTNEED)
