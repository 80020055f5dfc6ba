"""Labels and notes that stay on this server."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from verisim.errors import UnreadableFile
from verisim.files import suffix_of
from verisim.files.atomic import make_folder, replacing
from verisim.files.source import LABEL_MAP_SUFFIXES


class KeptLabels:
    """One label of each tag for each image, and what was said about labels and images.

    Args:
        folder: For these alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)
        folder.chmod(0o700)
        self._lock = str(folder / ".lock")

    def save(self, image: str, tag: str, source: Path, info: Mapping[str, Any]) -> None:
        """Keep a copy of a label.

        Raises:
            UnreadableFile: The file's name promises no label map.
            StorageFailed: The disk refused; nothing is left behind.
        """
        suffix = suffix_of(source)
        if suffix not in LABEL_MAP_SUFFIXES:
            raise UnreadableFile(
                f"{source.name} is of no kind that labels have.",
                f"Send one of: {', '.join(LABEL_MAP_SUFFIXES)}.",
            )
        target = self._folder / tag / f"{image}{suffix}"
        make_folder(target.parent)
        with FileLock(self._lock):
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
            for other in self._files(image, tag):
                if other != target:
                    other.unlink()
            told = {**info, "ts": int(time.time()), "name": target.name}
            _write(self._note(image, tag), told)

    def path(self, image: str, tag: str) -> Path | None:
        """The file of a label."""
        return next(iter(self._files(image, tag)), None)

    def remove(self, image: str, tag: str) -> None:
        """Delete a label, if it is there."""
        with FileLock(self._lock):
            for path in (*self._files(image, tag), self._note(image, tag)):
                path.unlink(missing_ok=True)

    def tags(self, image: str) -> list[str]:
        """Tags of the labels of an image."""
        folders = [path for path in self._folder.iterdir() if path.is_dir()]
        return sorted(folder.name for folder in folders if self._files(image, folder.name))

    def note(self, image: str, tag: str = "") -> dict[str, Any]:
        """What was said about a label, or about the image itself."""
        path = self._note(image, tag)
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def add_note(self, image: str, tag: str, info: Mapping[str, Any]) -> None:
        """Say more."""
        make_folder(self._note(image, tag).parent)
        with FileLock(self._lock):
            _write(self._note(image, tag), {**self.note(image, tag), **info})

    def _files(self, image: str, tag: str) -> list[Path]:
        paths = [self._folder / tag / f"{image}{suffix}" for suffix in LABEL_MAP_SUFFIXES]
        return [path for path in paths if path.is_file()]

    def _note(self, image: str, tag: str) -> Path:
        return self._folder / (tag or ".images") / f"{image}.json"


def _write(path: Path, info: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(info, indent=2, default=str), encoding="utf-8")
