"""Progress in lines, for logs."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

EVERY = 60.0
"""Seconds between two lines."""


@dataclass
class Telling:
    """Says now and then how far it is."""

    last: float = field(default_factory=monotonic)

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear one step more."""
        if monotonic() - self.last > EVERY:
            print(f"  {message} {done} of {total}", flush=True)
            self.last = monotonic()
