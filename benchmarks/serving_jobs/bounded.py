"""A command that ends in time, and puts everything away however it ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Found = TypeVar("Found")


class TimeIsUp(Exception):
    """What was waited for did not come in time."""


class OutOfTime(Exception):
    """The whole command has taken as long as it may."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """A block that ends with `OutOfTime` after some seconds, and by SIGTERM as by Ctrl-C.

    Only for the main thread: Python delivers signals there.
    """

    def up(number: int, frame: FrameType | None) -> None:
        raise OutOfTime(f"It was not ready after {seconds:g} s.")

    before = signal.signal(signal.SIGALRM, up)
    asked_to_end = signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.signal(signal.SIGTERM, asked_to_end)


def until(
    look: Callable[[], Found], good: Callable[[Found], bool], seconds: float, pause: float = 0.02
) -> Found:
    """What is seen when it is good.

    Args:
        look: Looks.
        good: Whether that is what was waited for.
        seconds: How long to wait.
        pause: Between two looks.

    Raises:
        TimeIsUp: It was not good in time.
    """
    end = time.monotonic() + seconds
    while not good(found := look()):
        if time.monotonic() > end:
            raise TimeIsUp(f"After {seconds:g} s still {found}.")
        time.sleep(pause)
    return found
