"""Files that clients send, kept for as long as a request needs them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fastapi import UploadFile

from lib.names import file_name
from verisim.errors import Conflict, StorageFailed
from verisim.files import IMAGE_SUFFIXES, suffix_of

READABLE = (*IMAGE_SUFFIXES, ".seg.nrrd", ".dcm")


@contextmanager
def received(upload: UploadFile) -> Iterator[Path]:
    """One uploaded file on the disk, under its own name, deleted when the block ends.

    Raises:
        StorageFailed: The disk refused.
    """
    with received_folder([upload]) as folder:
        yield next(folder.iterdir())


@contextmanager
def received_folder(uploads: Sequence[UploadFile]) -> Iterator[Path]:
    """Uploaded files in a temporary folder, deleted when the block ends.

    Raises:
        Conflict: Two of them have the same name: one would be lost.
        StorageFailed: The disk refused.
    """
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(_temporary_folder()))
            for n, upload in enumerate(uploads):
                _store(upload, folder, n)
        except OSError as error:
            raise StorageFailed(
                f"The server has no room for the upload: {error.strerror or error}.",
                "Free some space in its temporary folder.",
            ) from error
        yield folder


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    # a session moves the folder away: then there is nothing left to delete
    return tempfile.TemporaryDirectory(prefix="verisim-", ignore_cleanup_errors=True)


def _store(upload: UploadFile, folder: Path, n: int) -> None:
    suffix = suffix_of(Path(upload.filename or ""))
    default = f"file_{n}{suffix if suffix in READABLE else ''}"
    path = folder / file_name(upload.filename, default)
    if path.exists():
        raise Conflict(
            f"Two files are named {path.name!r}.", "Send every file under a name of its own."
        )
    with path.open("wb") as target:
        shutil.copyfileobj(upload.file, target, 1 << 20)
