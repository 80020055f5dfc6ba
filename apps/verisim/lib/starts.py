"""What models answered, kept in memory for the clicks that correct it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from verisim.rescue import Rescued
from verisim.volume import Volume

UNUSED_SECONDS = 3600.0
"""As long as a session lives."""


@dataclass(frozen=True)
class Wanted:
    """What tells one answer from another.

    Args:
        user: Who asked; nobody finds out what others have asked.
        content: SHA-256 of the files of the volume.
        asked: Everything else: the versions of the models, device, and how they were asked.
    """

    user: str
    content: str
    asked: tuple[object, ...]


@dataclass(frozen=True)
class Start:
    """An answer that clicks correct.

    Args:
        volume: The image.
        rescued: What the model said of it, with the probability of each label among its maps.
        new: Whether it was answered just now.
    """

    volume: Volume
    rescued: Rescued
    new: bool = False

    @property
    def bytes(self) -> int:
        """What it takes, in memory or in files without a name."""
        found = self.rescued.segmentation
        maps = found.maps.probability.values()
        arrays = (self.volume, found.label_map, *maps)
        return sum(one.array.nbytes for one in arrays)


class Starts:
    """Answers of models: those unused for longest leave when all are too much.

    Args:
        most_bytes: Of all together; a larger one is not kept.
        clock: Seconds.
    """

    def __init__(self, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most_bytes
        self._clock = clock
        self._kept: OrderedDict[Wanted, tuple[Start, float]] = OrderedDict()
        self._turns: dict[Wanted, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, wanted: Wanted, make: Callable[[], Start]) -> Start:
        """The answer; made by whoever asks first, while others wait for it."""
        with self._lock:
            turn = self._turns.setdefault(wanted, threading.Lock())
        try:
            with turn:
                found = self._found(wanted)
                if found is None:
                    found = make()
                    self._keep(wanted, Start(found.volume, found.rescued))
                return found
        finally:
            with self._lock:
                if not turn.locked():  # nobody waits who would need it
                    self._turns.pop(wanted, None)

    def forget(self, user: str) -> int:
        """Let go of the answers to a user; returns how many."""
        with self._lock:
            found = [wanted for wanted in self._kept if wanted.user == user]
            for wanted in found:
                del self._kept[wanted]
        return len(found)

    def _found(self, wanted: Wanted) -> Start | None:
        with self._lock:
            self._leave(self._most)
            kept = self._kept.pop(wanted, None)
            if kept is None:
                return None
            self._kept[wanted] = kept[0], self._clock()
            return kept[0]

    def _keep(self, wanted: Wanted, start: Start) -> None:
        with self._lock:
            if start.bytes <= self._most:
                self._leave(self._most - start.bytes)
                self._kept[wanted] = start, self._clock()

    def _leave(self, room: int) -> None:
        """Those unused for longest go until the others fit, and those unused for long."""
        total = sum(start.bytes for start, _ in self._kept.values())
        for wanted, (start, used) in list(self._kept.items()):
            if total > room or self._clock() - used > UNUSED_SECONDS:
                del self._kept[wanted]
                total -= start.bytes


def content_of(path: Path) -> str:
    """SHA-256 of a file, or of the files of a folder."""
    digest = hashlib.sha256()
    for one in sorted(path.iterdir()) if path.is_dir() else [path]:
        with one.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
