"""Files of the PACS on this machine's disk: fetched once, private, bounded, and not for ever."""

from __future__ import annotations

import os
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from verisim.errors import Unavailable
from verisim.files.atomic import TEMPORARY, make_folder, replacing

IN_USE = 15 * 60
"""Seconds: what was asked for so recently may be open."""

LOCKS = 64
PRUNED_EVERY = 60
"""Seconds."""


@dataclass(frozen=True)
class _Entry:
    path: Path
    used: float
    size: int


class Cache:
    """Files and folders of three levels; the processes of jobs use it too.

    Args:
        folder: Of this cache alone.
        gb: Its size.
        hours: What nobody asked for in that time is deleted.
        patience: Seconds to wait while another fetches the same thing.
    """

    def __init__(self, folder: Path, gb: float, hours: float, patience: float) -> None:
        self._folder = folder
        self._bytes = gb * 1e9
        self._seconds = hours * 3600
        self._patience = patience
        self._pruned = 0.0
        self._pruning = threading.Lock()
        make_folder(folder)
        folder.chmod(0o700)
        make_folder(folder / ".locks")

    def kept(self, kind: str, group: str, name: str, make: Callable[[Path], None]) -> Path:
        """A file or folder of the cache, made now if it is not there.

        Args:
            make: Writes it to a temporary path.

        Raises:
            Unavailable: Another is still at it.
            StorageFailed: The disk refused.
        """
        path = self._folder / kind / group / name
        self.prune()
        with self._alone(path):
            if not path.exists():
                make_folder(path.parent)
                with replacing(path) as temporary:
                    make(temporary)
            os.utime(path)
        return path

    def prune(self) -> None:
        """Delete what is too old or too much, now and then."""
        with self._pruning:
            if time.monotonic() - self._pruned < PRUNED_EVERY and self._pruned:
                return
            self._pruned = time.monotonic()
        now = time.time()
        entries = sorted(self._entries(), key=lambda entry: entry.used, reverse=True)
        total = 0
        for entry in entries:
            total += entry.size
            idle = now - entry.used
            if idle > self._seconds or (total > self._bytes and idle > IN_USE):
                _delete(entry.path)

    def _entries(self) -> Iterator[_Entry]:
        for path in self._folder.glob("[!.]*/*/*"):
            if path.name.startswith(TEMPORARY) and time.time() - _used(path) < IN_USE:
                continue
            yield _Entry(path, _used(path), _size(path))

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        number = zlib.crc32(str(path).encode()) % LOCKS
        try:
            with FileLock(self._folder / ".locks" / str(number), timeout=self._patience):
                yield
        except Timeout as error:
            raise Unavailable(
                f"{path.name} is still being fetched from the PACS.", "Try again later."
            ) from error


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process was quicker
        return 0.0


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    try:
        return sum(file.stat().st_size for file in files)
    except FileNotFoundError:
        return 0


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
