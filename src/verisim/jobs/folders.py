"""The files of jobs: inputs, results and what an attempt leaves for the next."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from verisim.errors import StorageFailed
from verisim.files.atomic import make_folder

ANSWER = "answer.json"
"""Lies among the results from the moment they are complete."""

PREVIEW = "preview.png"
"""Shows how a job comes on, in its scratch while it runs and among its results then."""

STAGED = ".staged-"
"""How folders begin whose inputs are still coming."""


class JobFolders:
    """One folder a job.

    Args:
        folder: Of all of them; private to the server.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        folder.chmod(0o700)
        self._folder = folder

    def stage(self, job_id: str, fill: Callable[[Path], None]) -> str:
        """Take the inputs in; returns a hash of them.

        Args:
            fill: Writes the inputs into an empty folder.

        Raises:
            StorageFailed: The disk refused; nothing is left behind.
        """
        staged = self._folder / f"{STAGED}{job_id}"
        try:
            inputs = staged / "inputs"
            inputs.mkdir(parents=True)
            (staged / "scratch").mkdir()
            fill(inputs)
            fingerprint = _fingerprint(inputs)
            staged.rename(self._folder / job_id)
        except OSError as error:
            raise _full(error) from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return fingerprint

    def inputs(self, job_id: str) -> Path:
        """The files that came with a job."""
        return self._folder / job_id / "inputs"

    def scratch(self, job_id: str) -> Path:
        """What an attempt leaves for the next."""
        return self._folder / job_id / "scratch"

    def unfinished(self, job_id: str) -> Path:
        """An empty folder for the results of a new attempt."""
        folder = self._folder / job_id / "unfinished"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def finish(self, job_id: str, answer: Mapping[str, Any]) -> tuple[str, ...]:
        """Make the results of an attempt the results of the job, all at once; returns their names.

        Raises:
            StorageFailed: The disk refused.
        """
        unfinished = self._folder / job_id / "unfinished"
        try:
            (unfinished / ANSWER).write_text(json.dumps(answer))
            unfinished.rename(self._folder / job_id / "results")
        except OSError as error:
            raise _full(error) from error
        shutil.rmtree(self.scratch(job_id), ignore_errors=True)
        return self.names(job_id)

    def finished(self, job_id: str) -> dict[str, Any] | None:
        """The answer, if the results are complete."""
        path = self._folder / job_id / "results" / ANSWER
        answer: dict[str, Any] | None = json.loads(path.read_text()) if path.is_file() else None
        return answer

    def names(self, job_id: str) -> tuple[str, ...]:
        """Of the result files."""
        files = (self._folder / job_id / "results").glob("*")
        return tuple(sorted(path.name for path in files if path.name != ANSWER))

    def result(self, job_id: str, name: str) -> Path:
        """One result file; `name` is one of `names`."""
        return self._folder / job_id / "results" / name

    def preview(self, job_id: str) -> bytes | None:
        """The newest picture of how a job comes on; None without one."""
        for room in ("results", "scratch"):
            path = self._folder / job_id / room / PREVIEW
            with suppress(FileNotFoundError):  # between two rooms, or none was drawn yet
                return path.read_bytes()
        return None

    def clear_attempt(self, job_id: str) -> None:
        """Remove what an attempt left that will not be continued."""
        shutil.rmtree(self._folder / job_id / "unfinished", ignore_errors=True)
        shutil.rmtree(self.scratch(job_id), ignore_errors=True)

    def remove(self, job_id: str) -> None:
        """Delete everything of a job."""
        shutil.rmtree(self._folder / job_id, ignore_errors=True)

    def remove_others(self, known: Collection[str]) -> None:
        """Delete the folders that belong to no known job."""
        for path in self._folder.iterdir():
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path, ignore_errors=True)


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _full(error: OSError) -> StorageFailed:
    return StorageFailed(
        f"The server has no room for the job: {error.strerror or error}.",
        "Free some space in its folder of jobs.",
    )
