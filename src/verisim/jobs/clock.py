"""How long ago something was, whatever happens to the clock on the wall."""

from __future__ import annotations

import time

LONGEST_GAP = 3600.0
"""Of the time a server was off, at most this counts: nobody could fetch results meanwhile, and a
clock that was set forward must not delete them."""


class Clock:
    """Seconds that never run back and never jump while the process lives.

    Args:
        last_seen: What an earlier process read last on its clock; None for the first.
    """

    def __init__(self, last_seen: float | None = None) -> None:
        wall = time.time()
        if last_seen is not None:
            wall = last_seen + min(max(wall - last_seen, 0.0), LONGEST_GAP)
        self._offset = wall - time.monotonic()

    def now(self) -> float:
        """Seconds since about 1970."""
        return self._offset + time.monotonic()
