"""Server-sent events of a job (https://html.spec.whatwg.org/#server-sent-events)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from lib.jobs.told import Status, status
from lib.watch.shutdown import stopping
from verisim.errors import NotFound
from verisim.jobs.desk import Desk

BETWEEN = 0.1
"""Seconds between two events at least."""

HEARTBEAT = 10.0
"""Seconds after which a client hears something even if nothing changed."""


async def events(
    desk: Desk, job_id: str, ended: Callable[[], Awaitable[Status]]
) -> AsyncIterator[str]:
    """A `status` at every change, and `end` with the last one; the server's stop ends it, too.

    Args:
        desk: Where the job is; only its memory is asked, so nobody else waits.
        job_id: Of the job.
        ended: Tells of the job when it has ended, from the disk.
    """
    yield "retry: 1000\n\n"
    before: tuple[object, ...] | None = None
    heard = time.monotonic()
    while not stopping():
        seen = desk.glance(job_id)
        if seen is None:
            async for event in _end(ended):
                yield event
            return
        told = status(seen)
        now = (told.state, told.percent, told.message, told.position, told.interruptions)
        if now != before:
            before, heard = now, time.monotonic()
            yield _event("status", told.model_dump_json())
        elif time.monotonic() - heard > HEARTBEAT:
            heard = time.monotonic()
            yield ": still there\n\n"
        await asyncio.sleep(BETWEEN)


async def _end(ended: Callable[[], Awaitable[Status]]) -> AsyncIterator[str]:
    try:
        told = (await ended()).model_dump_json()
    except NotFound:
        told = '{"state": "forgotten"}'
    else:
        yield _event("status", told)
    yield _event("end", told)


def _event(name: str, told: str) -> str:
    return f"event: {name}\ndata: {told}\n\n"
