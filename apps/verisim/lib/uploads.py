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
    """One uploaded file on the disk, deleted when the block ends; see `received_folder`.

    Raises:
        StorageFailed: The disk refused.
    """
    with received_folder([upload]) as folder:
        yield next(folder.iterdir())


@contextmanager
def received_folder(uploads: Sequence[UploadFile]) -> Iterator[Path]:
    """Uploaded files in a temporary folder, deleted when the block ends.

    They get names of their own: those that clients send often tell who the patient is.

    Raises:
        Conflict: Two were sent under the same name: one of them is there by mistake.
        StorageFailed: The disk refused.
    """
    names = [file_name(upload.filename, f"file_{n}") for n, upload in enumerate(uploads)]
    if len(set(names)) < len(names):
        raise Conflict("Two files have the same name.", "Send every file under a name of its own.")
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


def suffix_sent(name: str | None) -> str:
    """All that is kept of a file's name: a suffix that the server reads, or nothing."""
    suffix = suffix_of(Path(name or ""))
    return suffix if suffix in READABLE else ""


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    # a session moves the folder away: then there is nothing left to delete
    return tempfile.TemporaryDirectory(prefix="verisim-", ignore_cleanup_errors=True)


def _store(upload: UploadFile, folder: Path, n: int) -> None:
    with (folder / f"file_{n}{suffix_sent(upload.filename)}").open("wb") as target:
        shutil.copyfileobj(upload.file, target, 1 << 20)
