"""The next while this one is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def one_ahead(work: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """What work makes of each, in order; a thread makes the next one meanwhile."""
    with ThreadPoolExecutor(1) as thread:
        waiting = None
        for one in given:
            following = thread.submit(work, one)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
