"""A file appears whole or not at all."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verisim.errors import StorageFailed

TEMPORARY = ".writing-"
"""How the folders begin in which files are written before they are moved into place."""

REMEDIES = {
    errno.ENOSPC: "Free some space on the disk, or choose another folder.",
    errno.EDQUOT: "Free some space of your quota, or choose another folder.",
    errno.EFBIG: "Choose a disk that holds files of this size.",
    errno.ENOENT: "Create the folder first.",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    The temporary file keeps the name, since writers choose the format by its suffix.

    Raises:
        StorageFailed: The disk refused; nothing is left behind, an older file is intact.
    """
    try:
        # in the same folder, so that moving into place is one step on one disk
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            yield temporary
            temporary.replace(path)
    except OSError as error:
        raise _refused(path, error) from error


def clear_unfinished(folder: Path, name: str = "") -> None:
    """Remove what a killed process was writing into a folder.

    Args:
        folder: Of one process alone, unless a name is given.
        name: Only files of this name, in a folder that others write into.
    """
    for left in folder.glob(f"{TEMPORARY}*"):
        if not name or (left / name).exists():
            shutil.rmtree(left, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        StorageFailed: The disk refused.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(
            f"The folder {folder} cannot be made: {error.strerror}.", "Choose another folder."
        ) from error


def _refused(path: Path, error: OSError) -> StorageFailed:
    remedy = REMEDIES.get(error.errno or 0, "Choose a folder that you may write to.")
    return StorageFailed(
        f"{path} cannot be written: {error.strerror or error}.", f"{remedy} Nothing was changed."
    )
