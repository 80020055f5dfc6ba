"""Rows of bf16 that are read block by block: in memory where they are few, else in a file."""

from __future__ import annotations

import os
import tempfile
import weakref
from dataclasses import dataclass, field
from typing import IO

import torch
from torch import Tensor

from verisim.audit.half_rows import kept_bytes


@dataclass(frozen=True, eq=False)
class Shelf:
    """Rows (N, d) of bf16.

    Args:
        kept: All of them, or none where they lie in the file.
        width: d.
        device: Where they are wanted.
        file: A temporary one, gone when nobody holds it.
    """

    kept: Tensor | None
    width: int
    device: str
    file: IO[bytes] | None = field(default=None, repr=False)

    @classmethod
    def room(cls, count: int, width: int, device: str) -> Shelf:
        """For so many rows, to be filled."""
        if 2 * count * width <= kept_bytes(device):
            kept = torch.empty((count, width), dtype=torch.bfloat16, device=device)
            return cls(kept, width, device)
        file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the shelf
        made = cls(None, width, device, file)
        weakref.finalize(made, file.close)
        return made

    def put(self, start: int, rows: Tensor) -> None:
        """Put rows in, from a number on."""
        if self.kept is not None:
            self.kept[start : start + len(rows)] = rows
        elif self.file is not None:
            whole = rows.contiguous().cpu().view(torch.int16).numpy()
            self.file.seek(2 * start * self.width)
            self.file.write(whole.data)

    def get(self, start: int, stop: int) -> Tensor:
        """Rows from `start` to before `stop`, (n, d)."""
        if self.kept is not None:
            return self.kept[start:stop]
        made = torch.empty((stop - start, self.width), dtype=torch.int16)
        if self.file is not None:
            self.file.flush()
            self.file.seek(2 * start * self.width)
            self.file.readinto(made.numpy().data.cast("B"))  # type: ignore[attr-defined]
        return made.view(torch.bfloat16).to(self.device)

    def __reduce__(self) -> tuple[type[Shelf], tuple[Tensor, int, str]]:
        """For another process, which does not see the file."""
        count = 0 if self.file is None else self._length()
        kept = self.get(0, count) if self.kept is None else self.kept
        return Shelf, (kept, self.width, self.device)

    def _length(self) -> int:
        if self.file is None:
            return 0
        return self.file.seek(0, os.SEEK_END) // (2 * self.width)
