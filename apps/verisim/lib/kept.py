"""Uploads that are kept for a while, found by what is in them: nothing is sent twice."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lib.options import Options
from verisim.errors import BadInput, NotFound, StorageFailed, TooLarge
from verisim.files.atomic import TEMPORARY, clear_unfinished, make_folder
from verisim.jobs.clock import Clock

HASH = re.compile(r"[0-9a-f]{64}")
SERIES = "series"
LAST_SEEN = ".last-seen"
SWEEP_SECONDS = 60.0


class WrongHash(BadInput):
    """The content is not what its hash says."""

    code = "wrong_hash"


@dataclass(frozen=True)
class Kept:
    """An upload.

    Args:
        path: A file, or a folder of the files of a DICOM series.
        size: Bytes.
        used: When it was used last, on the clock of the uploads.
    """

    path: Path
    size: int
    used: float


class KeptUploads:
    """A private folder: one folder a user, in it one for each upload, named by its hash.

    Users are apart, so that nobody learns what others have sent.

    Args:
        folder: Of this server alone.
        seconds: Uploads that nobody used for so long leave.
        most_bytes: Beyond, the ones that were not used for the longest time leave.
    """

    def __init__(self, folder: Path, seconds: float, most_bytes: int) -> None:
        make_folder(folder)
        folder.chmod(0o700)
        clear_unfinished(folder)
        self._folder = folder
        self._seconds = seconds
        self._most = most_bytes
        self._lock = threading.RLock()
        self._in_use: Counter[tuple[str, str]] = Counter()
        seen = folder / LAST_SEEN
        self._clock = Clock(seen.stat().st_mtime if seen.exists() else None)
        self._kept = dict(self._found())
        self.sweep()

    def has(self, user: str, key: str) -> bool:
        """Whether a user's upload is still kept; asking counts as using it."""
        try:
            self.path(user, key)
        except NotFound:
            return False
        return True

    def path(self, user: str, key: str) -> Path:
        """Where an upload lies.

        Raises:
            BadInput: The key is no SHA-256.
            NotFound: The user has none of that content, or it was kept long enough.
        """
        self.sweep()
        with self._lock:
            name = (_folder_of(user), checked(key))
            kept = self._kept.get(name)
            if kept is None or not kept.path.exists():
                raise NotFound(
                    f"No upload {key[:12]} of yours is kept.", f"Send it with PUT /uploads/{key}."
                )
            self._kept[name] = replace(kept, used=self._clock.now())
            os.utime(kept.path.parent, (self._clock.now(),) * 2)
            return kept.path

    @contextmanager
    def using(self, user: str, key: str) -> Iterator[Path]:
        """Where an upload lies; it stays until the block ends.

        Raises:
            NotFound: See `path`.
        """
        name = (_folder_of(user), key)
        with self._lock:
            path = self.path(user, key)
            self._in_use[name] += 1
        try:
            yield path
        finally:
            with self._lock:
                self._in_use[name] -= 1

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """An empty folder for something new; deleted when the block ends, unless `keep` took it.

        Raises:
            StorageFailed: The disk refused.
        """
        folder = self._folder / f"{TEMPORARY}{uuid.uuid4().hex}"
        try:
            folder.mkdir(mode=0o700)
            yield folder
        except OSError as error:
            raise StorageFailed(
                f"The server cannot keep the upload: {error.strerror or error}.",
                "Free some space in its folder of uploads.",
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, user: str, key: str, written: Path) -> Kept:
        """Move what was written into place.

        Args:
            written: A folder of `writing` that holds one file, or one folder of files.

        Raises:
            TooLarge: More than the server keeps in all.
            OSError: The disk refused.
        """
        size = _size(written)
        if size > self._most:
            raise TooLarge(
                f"The upload is {size / 1e6:.0f} MB; this server keeps {self._most / 1e6:.0f} MB.",
                "Crop the volume, or start the server with a larger --conf keep_mb.",
            )
        with self._lock:
            name = (_folder_of(user), checked(key))
            place = self._folder / name[0] / name[1]
            shutil.rmtree(place, ignore_errors=True)  # of the same content, maybe misnamed
            place.parent.mkdir(mode=0o700, exist_ok=True)
            written.rename(place)
            kept = Kept(next(place.iterdir()), size, self._clock.now())
            self._kept[name] = kept
            os.utime(place, (kept.used, kept.used))
        self.sweep()
        return kept

    def series(self, user: str, keys: Sequence[str]) -> str:
        """Make one upload of several: the files of a DICOM series.

        Returns:
            Its key: the SHA-256 of the sorted keys with line breaks between.

        Raises:
            BadInput: No key, or the same twice.
            NotFound: One of them is not kept.
            StorageFailed: The disk refused.
        """
        if not keys or len(set(keys)) < len(keys):
            raise BadInput("A series needs files, each once.", "Send the list of their hashes.")
        key = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()
        with self._lock, self.writing() as folder:
            (folder / SERIES).mkdir(mode=0o700)
            for n, part in enumerate(sorted(keys)):
                path = self.path(user, part)
                if path.is_dir():
                    raise BadInput(f"{part[:12]} is a series itself.", "Name single files.")
                _link(path, folder / SERIES / f"file_{n}{''.join(path.suffixes)}")
            self.keep(user, key, folder)
        return key

    def remove(self, user: str, key: str) -> None:
        """Delete an upload at once.

        Raises:
            NotFound: There is none.
        """
        with self._lock:
            self.path(user, key)
            self._delete((_folder_of(user), key))

    def remove_all(self, user: str) -> int:
        """Delete all uploads of a user; returns how many."""
        with self._lock:
            found = [name for name in self._kept if name[0] == _folder_of(user)]
            for name in found:
                self._delete(name)
        return len(found)

    def sweep(self) -> None:
        """Delete what was kept long enough, and what is too much."""
        with self._lock:
            now = self._clock.now()
            seen = self._folder / LAST_SEEN
            seen.touch(mode=0o600)
            os.utime(seen, (now, now))
            unused = sorted(
                (name for name in self._kept if not self._in_use[name]),
                key=lambda name: self._kept[name].used,
            )
            total = sum(kept.size for kept in self._kept.values())
            for name in unused:
                kept = self._kept[name]
                if total > self._most or now - kept.used > self._seconds:
                    total -= kept.size
                    self._delete(name)

    def _delete(self, name: tuple[str, str]) -> None:
        del self._kept[name]
        shutil.rmtree(self._folder / name[0] / name[1], ignore_errors=True)

    def _found(self) -> Iterator[tuple[tuple[str, str], Kept]]:
        """What an earlier process has kept."""
        for place in self._folder.glob("*/*"):
            inside = list(place.iterdir()) if HASH.fullmatch(place.name) else []
            if len(inside) == 1:
                used = min(place.stat().st_mtime, self._clock.now())
                yield (place.parent.name, place.name), Kept(inside[0], _size(place), used)


def open_kept(options: Options) -> KeptUploads | None:
    """The uploads of this server, swept every minute; None in a process of one of its jobs."""
    if "monailabel.app" not in sys.modules:
        return None
    kept = KeptUploads(options.uploads, 3600.0 * options.keep_hours, options.keep_mb * 1_000_000)

    def sweep() -> None:
        while True:
            pause.wait(SWEEP_SECONDS)
            kept.sweep()

    pause = threading.Event()
    threading.Thread(target=sweep, name="uploads", daemon=True).start()
    return kept


def checked(key: str) -> str:
    """The key of an upload.

    Raises:
        BadInput: It is no SHA-256.
    """
    if not HASH.fullmatch(key):
        raise BadInput(f"{key[:80]!r} is no SHA-256.", "Send 64 digits 0-9 and a-f.")
    return key


def _folder_of(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()[:32]  # names may hold anything


def _link(path: Path, target: Path) -> None:
    """The same file at another place, without a copy where the disk can do that."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copy2(path, target)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
