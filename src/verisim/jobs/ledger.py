"""Job records in SQLite: what was written survives the process."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from verisim.errors import Conflict, StorageFailed
from verisim.files.atomic import make_folder
from verisim.jobs.job import Job, State

TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, key TEXT, state TEXT NOT NULL,
    submitted REAL NOT NULL, kept_until REAL, record TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS job_of_key ON jobs (user, key) WHERE key IS NOT NULL;
CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), seen REAL NOT NULL);
"""

ENDED = [state.value for state in State if state.ended]


class Ledger:
    """The records of one server.

    Args:
        folder: Receives `jobs.sqlite3`, which one process at a time may use.

    Raises:
        Conflict: Another process uses it.
        StorageFailed: The disk refused.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        folder.chmod(0o700)
        self._owner = _owned(folder)
        self._mutex = threading.Lock()
        with _told(folder):
            self._database = _opened(folder / "jobs.sqlite3")
        self._folder = folder

    def add(self, job: Job) -> Job:
        """Keep a new record; returns it, or the one that this user's key stands for already."""
        with self._mutex, _told(self._folder), self._database:
            self._database.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", _row(job)
            )
            return self._by_key(job) if job.key else job

    def put(self, job: Job) -> None:
        """Keep what became of a record; one that was forgotten meanwhile stays forgotten."""
        with self._mutex, _told(self._folder), self._database:
            self._database.execute(
                "UPDATE jobs SET state = ?, kept_until = ?, record = ? WHERE id = ?",
                (job.state, job.kept_until, job.model_dump_json(), job.id),
            )

    def remove(self, job_id: str) -> None:
        """Forget a record; secure_delete overwrites it in the file."""
        with self._mutex, _told(self._folder), self._database:
            self._database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        with self._mutex, _told(self._folder):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def get(self, job_id: str) -> Job | None:
        """The record of an id."""
        found = self._read("WHERE id = ?", (job_id,))
        return found[0] if found else None

    def of_user(self, user: str, limit: int) -> list[Job]:
        """The latest records of a user, newest first."""
        return self._read("WHERE user = ? ORDER BY submitted DESC LIMIT ?", (user, limit))

    def all(self, limit: int) -> list[Job]:
        """The latest records of everybody, newest first."""
        return self._read("ORDER BY submitted DESC LIMIT ?", (limit,))

    def unfinished(self) -> list[Job]:
        """What waits or runs, oldest first."""
        marks = ", ".join("?" * len(ENDED))
        return self._read(f"WHERE state NOT IN ({marks}) ORDER BY submitted", tuple(ENDED))

    def expired(self, now: float) -> list[Job]:
        """What has been kept long enough."""
        return self._read("WHERE kept_until < ?", (now,))

    def with_key(self, user: str, key: str) -> Job | None:
        """The record that a user's idempotency key stands for."""
        found = self._read("WHERE user = ? AND key = ?", (user, key)) if key else []
        return found[0] if found else None

    def ids(self) -> set[str]:
        """Of all records."""
        with self._mutex, _told(self._folder):
            return {row[0] for row in self._database.execute("SELECT id FROM jobs")}

    def last_seen(self) -> float | None:
        """What the clock showed when it was last noted."""
        with self._mutex, _told(self._folder):
            found = self._database.execute("SELECT seen FROM clock").fetchone()
        return float(found[0]) if found else None

    def see(self, now: float) -> None:
        """Note what the clock shows."""
        with self._mutex, _told(self._folder), self._database:
            self._database.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (now,))

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        with self._mutex:
            self._database.close()
            self._owner.release()

    def _by_key(self, job: Job) -> Job:
        found = self._database.execute(
            "SELECT record FROM jobs WHERE user = ? AND key = ?", (job.user, job.key)
        ).fetchone()
        return Job.model_validate_json(found[0])

    def _read(self, where: str, values: tuple[object, ...]) -> list[Job]:
        with self._mutex, _told(self._folder):
            rows = self._database.execute(f"SELECT record FROM jobs {where}", values).fetchall()
        return [Job.model_validate_json(row[0]) for row in rows]


def _row(job: Job) -> tuple[object, ...]:
    kept = (job.submitted, job.kept_until, job.model_dump_json())
    return (job.id, job.user, job.key or None, job.state, *kept)


def _opened(path: Path) -> sqlite3.Connection:
    # every thread of the server uses this one connection, one at a time
    database = sqlite3.connect(path, check_same_thread=False, timeout=10)
    path.chmod(0o600)
    for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        database.execute(f"PRAGMA {setting}")
    database.executescript(TABLES)
    return database


def _owned(folder: Path) -> FileLock:
    # not of one thread: the one that closes is another
    lock = FileLock(folder / "jobs.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise Conflict(
            f"Another server uses the jobs in {folder}.",
            "Stop it, or give this one another folder.",
        ) from error
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be used: {error}.", "Choose another.") from error
    return lock


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageFailed(
            f"The job records cannot be read or written: {error}.",
            f"Look whether the disk is full, and whether {folder.name} may be written.",
        ) from error
