"""The progress of one network as a part of the progress of all."""

from __future__ import annotations

from dataclasses import dataclass

from verisim.progress import Progress


@dataclass(frozen=True)
class Stage:
    """One of several trainings that follow each other.

    Args:
        whole: Watches all of them.
        index: Which one this is, from 0.
        count: How many there are.
        name: What the person calls it.
    """

    whole: Progress
    index: int
    count: int
    name: str

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear that `done` of this one's `total` steps are finished."""
        said = f"{self.name} of {self.count} {message}" if self.count > 1 else message
        self.whole.advance(self.index * total + done, self.count * total, said)
