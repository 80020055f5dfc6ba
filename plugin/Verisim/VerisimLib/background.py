"""One call away from the user interface: bytes in, bytes out, never a widget or a node."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")

_numbers = itertools.count(1)


class Cancelled(Exception):
    """The user no longer wants the answer."""


@dataclass(frozen=True)
class Step:
    """How far a call is.

    Args:
        done: Finished units, for example bytes.
        total: Of so many; 0 when that is not known.
        message: What is being done.
    """

    done: int = 0
    total: int = 0
    message: str = ""

    @property
    def percent(self) -> int | None:
        """0 to 100, or None when the total is not known."""
        return min(100, 100 * self.done // self.total) if self.total else None


class Job(Generic[Result]):
    """Runs one call in a thread of its own.

    The call is given the job itself, and says by `advance` how far it is.

    Args:
        call: What is done.
    """

    def __init__(self, call: Callable[[Job[Result]], Result]) -> None:
        self.step = Step()
        self.error: BaseException | None = None
        self._call = call
        self._stops: list[Callable[[], None]] = []
        self._result: list[Result] = []
        self._unwanted, self._ended = threading.Event(), threading.Event()
        name = f"verisim-job-{next(_numbers)}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Job[Result]:
        """Begins; returns itself."""
        self._thread.start()
        return self

    def advance(self, done: int, total: int = 0, message: str = "") -> None:
        """Called by the work: so far it is.

        Raises:
            Cancelled: The user no longer wants it.
        """
        if self._unwanted.is_set():
            raise Cancelled
        self.step = Step(done, total, message)

    def when_cancelled(self, stop: Callable[[], None]) -> None:
        """Called by the work: this ends what it waits for.

        Args:
            stop: Called once when the job is cancelled, on the canceller's thread, for example
                to close the connection that the call waits for.
        """
        self._stops.append(stop)
        if self.cancelled:
            stop()

    def cancel(self) -> None:
        """The answer is no longer wanted; the thread ends at its next step."""
        if self._unwanted.is_set() or self.finished:
            return
        self._unwanted.set()
        for stop in list(self._stops):
            stop()

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled before its end; what came after counts for nothing."""
        return self._unwanted.is_set()

    @property
    def finished(self) -> bool:
        """Whether there is a result or an error, and the thread is done."""
        return self._ended.is_set()

    @property
    def alive(self) -> bool:
        """Whether its thread runs, and holds what the call was given."""
        return self._thread.is_alive()

    def result(self) -> Result:
        """What the call returned.

        Raises:
            Cancelled: It was cancelled.
            BaseException: What the call raised.
        """
        if self.cancelled:
            raise Cancelled
        if self.error is not None:
            raise self.error
        return self._result[0]

    def join(self, seconds: float) -> bool:
        """Waits for the thread at most so long; for the end of the application and for tests."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._result.append(self._call(self))
        except BaseException as error:  # shown by whoever asks for the result
            self.error = error
        finally:
            self._ended.set()
