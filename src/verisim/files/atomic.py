"""A file appears whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verisim.errors import StorageFailed


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    The temporary file keeps the name, since writers choose the format by its suffix.

    Raises:
        StorageFailed: The disk refused; nothing is left behind.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    except OSError as error:
        raise _refused(path, error) from error
    temporary = folder / path.name
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
        folder.rmdir()


def _refused(path: Path, error: OSError) -> StorageFailed:
    return StorageFailed(
        f"{path} cannot be written: {error.strerror or error}.",
        "Free some space or choose a folder that you may write to; nothing was changed.",
    )
