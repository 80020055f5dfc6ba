"""Work that a graphics card leaves to the processor, in the processor's own turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TypeVar

from verisim.errors import Unavailable
from verisim.jobs.turns import Ticket, Turns, turn_of_thread, was_busy

Answer = TypeVar("Answer")

PROCESSOR = "cpu"

TICK_SECONDS = 0.1
"""How often a wish to stop is heard while the processor does something else."""


def on_processor(work: Callable[[], Answer], waiting: Callable[[], None]) -> Answer:
    """Do some work on the processor: in its turn, where the present turn is another device's.

    The present device stays taken meanwhile. That is no deadlock: work on the processor waits for
    no other device, so whoever has its turn comes to an end.

    Args:
        work: What to do; not on another device.
        waiting: Called now and then until the work begins; raises if it is not wanted any more.

    Raises:
        Unavailable: The turn did not come in time for a request that waits.
        Exception: Whatever the work or `waiting` raised.
    """
    turn = turn_of_thread()
    if turn is None or turn[1].device == PROCESSOR:
        return work()
    begun = False

    def begin() -> Answer:
        nonlocal begun
        begun = True
        return work()

    turns, ticket = turn
    in_context = partial(copy_context().run, begin)  # lines of the log name the same request
    theirs = replace(ticket, device=PROCESSOR, work=in_context, brief=True, future=Future())
    try:
        future: Future[Answer] = turns.enter(theirs)
        _await(turns, theirs, waiting)
        return future.result()
    except Unavailable:
        if begun or not turns.closed:
            raise
        return work()  # the server is about to stop: nobody begins there any more


def _await(turns: Turns, ticket: Ticket, waiting: Callable[[], None]) -> None:
    """Wait for the end of some work; before it begins, whoever waits may give up."""
    begun = time.monotonic()
    while not wait([ticket.future], TICK_SECONDS).done:
        if ticket.future.running():  # it hears itself that it is not wanted any more
            wait([ticket.future])
            return
        try:
            waiting()
            if ticket.patience is not None and time.monotonic() - begun > ticket.patience:
                raise was_busy(ticket.device, ticket.patience)
        except Exception:
            if turns.leave(ticket):
                raise
