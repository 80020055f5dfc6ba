"""Images and labels in one file."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from verisim.errors import NotFound, StorageFailed


def zipped(pairs: Sequence[Mapping[str, str]]) -> str:
    """A temporary ZIP file with the folders image and label, to be deleted by the caller.

    Raises:
        NotFound: There is nothing to put into it.
        StorageFailed: The disk refused; nothing is left behind.
    """
    if not pairs:
        raise NotFound("No image has a final label.", "Save a label first.")
    with ExitStack() as undo:
        try:
            handle, name = tempfile.mkstemp(prefix="verisim-", suffix=".zip")
            os.close(handle)
            undo.callback(Path(name).unlink, missing_ok=True)
            with zipfile.ZipFile(name, "w") as archive:
                for pair in pairs:
                    for kind, path in pair.items():
                        archive.write(path, f"{kind}/{Path(path).name}")
        except OSError as error:
            raise StorageFailed(
                f"The ZIP file cannot be written: {error.strerror or error}.",
                "Free some space in the server's temporary folder.",
            ) from error
        undo.pop_all()
    return name
