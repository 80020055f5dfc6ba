"""A folder as one file."""

from __future__ import annotations

import zipfile
from pathlib import Path

from verisim.files.atomic import replacing


def pack(folder: Path, path: Path) -> None:
    """Put all files of a folder into a ZIP file; they are compressed already.

    Raises:
        StorageFailed: The disk refused; nothing is left behind.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            packed.write(file, file.relative_to(folder))
