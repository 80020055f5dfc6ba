"""How the volume of a job comes into its folder: under a name that tells of nobody."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fastapi import UploadFile

from lib.uploads import suffix_sent
from verisim import files


def from_uploads(uploads: Sequence[UploadFile], folder: Path) -> None:
    """One volume, or the files of a DICOM series, as a client sent them."""
    for n, upload in enumerate(uploads):
        with (folder / f"file_{n}{suffix_sent(upload.filename)}").open("wb") as target:
            shutil.copyfileobj(upload.file, target, 1 << 20)


def from_path(source: Path, folder: Path) -> None:
    """One volume, or the files of a DICOM series, as they lie on this machine."""
    if source.suffix.lower() == ".nhdr":  # its voxels lie beside it, in a file that it names
        files.write(folder / "file_0.nrrd", files.read(source))
        return
    found = sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    for n, path in enumerate(found):
        bring(path, folder / f"file_{n}{suffix_sent(path.name)}")


def bring(path: Path, target: Path) -> None:
    """The same file at another place: as a link where the disk allows, else as a copy."""
    with suppress(OSError):
        os.link(path.resolve(), target)
        return
    shutil.copyfile(path, target)
