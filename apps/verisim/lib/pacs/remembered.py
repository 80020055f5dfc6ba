"""One answer for all who ask at the same time, and for a few seconds after."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """A slow question that is asked once for many who want to know.

    Errors are remembered like answers: who asks again at once must not wait again.

    Args:
        ask: The question; it may raise.
        seconds: How old an answer may be.
    """

    def __init__(self, ask: Callable[[], Answer], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._turn = threading.Lock()
        self._future: Future[Answer] | None = None
        self._answered = 0.0

    def answer(self, wait: float | None = None) -> Answer:
        """What was answered.

        Args:
            wait: Longest wait in seconds; the question goes on meanwhile.

        Raises:
            TimeoutError: There is no answer yet.
        """
        with self._turn:
            if self._future is None or self._outdated(self._future):
                self._future = Future()
                # a daemon: a PACS that never answers must not keep the server from ending
                threading.Thread(target=self._run, args=(self._future,), daemon=True).start()
            future = self._future
        return future.result(wait)

    def forget(self) -> None:
        """Ask anew the next time."""
        with self._turn:
            self._future = None

    def _outdated(self, future: Future[Answer]) -> bool:
        return future.done() and time.monotonic() - self._answered > self._seconds

    def _run(self, future: Future[Answer]) -> None:
        try:
            answer = self._ask()
        except Exception as error:  # raised again where the answer is waited for
            self._answered = time.monotonic()
            future.set_exception(error)
        else:
            self._answered = time.monotonic()
            future.set_result(answer)
