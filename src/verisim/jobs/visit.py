"""An attempt at a job on a worker of a cluster, and what the server may ask of it meanwhile."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from verisim.errors import Cancelled
from verisim.jobs.dask import DaskWorker
from verisim.jobs.models_along import Weights, missing
from verisim.jobs.parcels import Parcel, add_piece, parcels_of, read_piece

ROOMS = ("inputs", "scratch", "models", "results", "saved", "answer")
"""The folders of an attempt."""


@dataclass(frozen=True)
class Order:
    """What is to be done, once all files have come.

    Args:
        kind: Pickled.
        request: See `Task`.
        device: As the server calls it.
        sent: What was sent, by room.
        weights: Of the models that the job uses.
        save_seconds: How often scratch goes back to the server; None for never.
    """

    kind: bytes
    request: Mapping[str, Any]
    device: str
    sent: Mapping[str, tuple[Parcel, ...]]
    weights: tuple[Weights, ...] = ()
    save_seconds: float | None = None


@dataclass(eq=False)
class Visit:
    """One attempt, in a folder that goes when it ends.

    Args:
        job: The server's name for it.
        topic: Where the server listens.
        folder: Of its files.
        worker: Dask's.
        lease: A server that was not heard for so many seconds is gone.
    """

    job: str
    topic: str
    folder: Path
    worker: DaskWorker
    lease: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    order: Order | None = None
    ordered: threading.Event = field(default_factory=threading.Event)
    fetched: threading.Event = field(default_factory=threading.Event)
    saved: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    heard: float = field(default_factory=time.monotonic)

    def room(self, name: str) -> Path:
        """One of its folders."""
        return self.folder / name

    def tell(self, what: str, **more: object) -> None:
        """Let the server hear of something; it takes no time here."""
        names = {"job": self.job, "visit": self.id, "worker": self.worker.address}
        self.worker.log_event(self.topic, {**names, "what": what, **more})

    def check(self) -> None:
        """Stop here if nobody wants the work any more.

        Raises:
            Cancelled: The server said so, or is gone.
        """
        if self.stopped.is_set():
            raise Cancelled("The job was cancelled.", "Ask again if it was a mistake.")
        if time.monotonic() - self.heard > self.lease:
            raise Cancelled("The server was not heard any more.", "Look whether it runs.")

    def wait(self, event: threading.Event) -> None:
        """Wait for the server; `stop` ends that at once.

        Raises:
            Cancelled: See `check`.
        """
        while not event.wait(1.0):
            self.check()
        self.check()

    def hand_over(self, what: str, *rooms: str) -> None:
        """Wait until the server has fetched the files of some rooms."""
        self.tell(what, rooms={name: listed(parcels_of(self.room(name))) for name in rooms})
        self.wait(self.fetched)

    def stop(self) -> None:
        """End it at its next step, or now if it waits."""
        self.stopped.set()
        self.ordered.set()
        self.fetched.set()


def listed(parcels: tuple[Parcel, ...]) -> list[list[Any]]:
    """Parcels as a message carries them."""
    return [[parcel.name, parcel.size, parcel.sha256] for parcel in parcels]


PRESENT: dict[str, Visit] = {}
"""The attempts that this process makes now."""


@contextmanager
def a_visit(job: str, topic: str, lease: float, worker: DaskWorker) -> Iterator[Visit]:
    """An attempt with its folder; Dask deletes what a killed worker left in its own folder."""
    with tempfile.TemporaryDirectory(prefix="verisim-", dir=worker.local_directory) as folder:
        visit = Visit(job, topic, Path(folder), worker, lease)
        for room in ROOMS:
            visit.room(room).mkdir()
        visit.saved.set()  # nothing is on its way
        PRESENT[visit.id] = visit
        try:
            yield visit
        finally:
            del PRESENT[visit.id]


def versions() -> dict[str, str]:
    """Of what must fit together on all machines."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"verisim": version("verisim"), "torch": version("torch"), "python": python}


# Dask's `run` calls these in the worker's own event loop, and logs the arguments of one that
# fails, which may be a piece of somebody's volume: so they return what went wrong instead.


async def take(visit_id: str, room: str, name: str, offset: int, piece: bytes) -> str:
    """Put a piece of a file in its place; returns why it could not be, or nothing."""
    if (visit := _heard(visit_id)) is None:
        return GONE
    try:
        await asyncio.to_thread(add_piece, visit.room(room), name, offset, piece)
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
    return ""


async def give(visit_id: str, room: str, name: str, offset: int) -> bytes | str:
    """A piece of a file, or why it could not be read."""
    if (visit := _heard(visit_id)) is None:
        return GONE
    try:
        return await asyncio.to_thread(read_piece, visit.room(room), name, offset)
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"


async def lacks(visit_id: str, weights: tuple[Weights, ...]) -> list[Weights] | str:
    """The weights that this machine has not."""
    if _heard(visit_id) is None:
        return GONE
    return await asyncio.to_thread(missing, weights)


async def go(visit_id: str, order: Order) -> str:
    """All files have come: begin."""
    if (visit := _heard(visit_id)) is None:
        return GONE
    visit.order = order
    visit.ordered.set()
    return ""


async def tell_all(visit_id: str, what: str) -> str:
    """Tell an attempt that it is to stop, that all was fetched or saved, or only that we live."""
    if (visit := _heard(visit_id)) is None:
        return GONE
    if what == "stop":
        visit.stop()
    elif what in ("fetched", "saved"):
        (visit.fetched if what == "fetched" else visit.saved).set()
    return ""


GONE = "gone"
"""The answer of a process that makes no such attempt."""


def _heard(visit_id: str) -> Visit | None:
    visit = PRESENT.get(visit_id)
    if visit is not None:
        visit.heard = time.monotonic()
    return visit
