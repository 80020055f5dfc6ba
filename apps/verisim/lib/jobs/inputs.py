"""How the volume of a job comes into its folder: under a name that tells of nobody."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from fastapi import UploadFile

from lib.uploads import suffix_sent
from verisim.jobs.snapshot import brought


def from_uploads(uploads: Sequence[UploadFile], folder: Path) -> None:
    """One volume, or the files of a DICOM series, as a client sent them."""
    for n, upload in enumerate(uploads):
        with (folder / f"file_{n}{suffix_sent(upload.filename)}").open("wb") as target:
            shutil.copyfileobj(upload.file, target, 1 << 20)


def from_path(source: Path, folder: Path) -> None:
    """One volume, or the files of a DICOM series, as they lie on this machine."""
    placed = brought(source, folder / "volume")
    if placed.is_dir():
        for path in placed.iterdir():
            path.rename(folder / path.name)
        placed.rmdir()
