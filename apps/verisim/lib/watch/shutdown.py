"""A stop that loses nothing: no new requests, time for the running ones, jobs are parked."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable

import psutil
import uvicorn

logger = logging.getLogger(__name__)

CHILD_SECONDS = 5
"""Trainings that MONAI Label started in processes of their own get this long to end."""

_stopping = threading.Event()
_hooks: list[Callable[[], object]] = []


def on_shutdown(work: Callable[[], object]) -> None:
    """Do something when the server is asked to stop, such as parking jobs.

    It runs once, in a thread, while the running requests still may end; hooks run in the order
    in which they were given, and all together have `drain_seconds`.

    Args:
        work: Takes nothing; an error of it is logged and stops no other hook.
    """
    _hooks.append(work)


def stopping() -> bool:
    """Whether the server has been asked to stop; streams that never end should end now."""
    return _stopping.is_set()


def drain_on_stop(seconds: float) -> None:
    """Give the running requests some time when the server is asked to stop.

    Without a uvicorn server in this process nothing changes.

    Args:
        seconds: From the signal until what still runs is cut off.
    """
    handler = signal.getsignal(signal.SIGTERM)
    server = getattr(handler, "__self__", None)  # uvicorn's handler is a method of its server
    if not isinstance(server, uvicorn.Server):
        return
    server.config.timeout_graceful_shutdown = max(1, round(seconds))
    stock = server.shutdown

    async def shutdown(sockets: list[socket.socket] | None = None) -> None:
        _stopping.set()
        logger.info("Stopping: running requests have %g s to end", seconds)
        hooks = asyncio.create_task(_park(seconds))
        await stock(sockets)
        await hooks
        _end_children()

    server.shutdown = shutdown  # type: ignore[method-assign]


async def _park(seconds: float) -> None:
    done = threading.Event()
    # a daemon: a hook that never ends shall not keep the process alive
    threading.Thread(target=_run_hooks, args=(done,), name="parking", daemon=True).start()
    end = asyncio.get_running_loop().time() + seconds
    while not done.is_set() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.05)
    if not done.is_set():
        logger.error("Parking took longer than %g s and is cut off", seconds)


def _run_hooks(done: threading.Event) -> None:
    for work in list(_hooks):
        try:
            work()
        except Exception:
            logger.exception("A hook of the stop failed")
    done.set()


def _end_children() -> None:
    children = psutil.Process().children(recursive=True)
    for child in children:
        child.terminate()
    _, stubborn = psutil.wait_procs(children, timeout=CHILD_SECONDS)
    for child in stubborn:
        child.kill()
