"""The line to Dask's scheduler, and through it to the workers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from secrets import token_hex
from typing import Any, TypeVar

from verisim.errors import Unavailable
from verisim.jobs.cluster_troubles import no_scheduler
from verisim.jobs.dask import Client, Future, dask
from verisim.jobs.on_worker import attempt
from verisim.jobs.visit import tell_all

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

CONNECT_SECONDS = 10.0
GPU = "GPU"
"""The name of the resource with which workers are started that have one."""


class Gone(Exception):
    """A worker does not answer, or does not know the attempt any more."""


@dataclass(frozen=True)
class Message:
    """What is heard of an attempt.

    Args:
        what: begun, step, saved, stopped, over: the worker says; died: the scheduler says;
            ended: Dask's future has.
        worker: Its address.
        content: The rest.
    """

    what: str
    worker: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A worker.

    Args:
        address: Its own.
        slots: How many jobs it does at once.
        gpu: Whether it has one.
    """

    address: str
    slots: int
    gpu: bool


Inbox = SimpleQueue[Message]


class Scheduler:
    """The line of one server to a scheduler; made again after it broke.

    Args:
        address: E.g. `tcp://10.0.0.1:8786`, or `tls://…` with Dask's settings for TLS.

    Raises:
        Unavailable: Dask is not installed, or the scheduler does not answer.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.topic = f"verisim-{token_hex(8)}"
        self._inboxes: dict[str, Inbox] = {}
        self._claims: dict[str, Place] = {}
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._closed = False
        self._line()

    def places(self) -> list[Place]:
        """The workers that there are now.

        Raises:
            Unavailable: The scheduler does not answer.
        """
        client = self._line()
        with self._told():
            workers = client.scheduler_info(n_workers=-1)["workers"]
        return [_place(address, known) for address, known in workers.items()]

    def claim(self, job: str, gpu: bool) -> tuple[Place | None, bool]:
        """A worker with room for a job, which no other job of this server gets meanwhile.

        Returns:
            The worker, if one has room, and whether any could do it at all.

        Raises:
            Unavailable: The scheduler does not answer.
        """
        fit = [place for place in self.places() if place.gpu or not gpu]
        with self._lock:
            busy = self._busy()
            free = [place for place in fit if len(busy.get(place.address, ())) < place.slots]
            # work for a processor leaves the GPUs to others as long as it can
            free.sort(key=lambda place: place.gpu)
            if free:
                self._claims[job] = free[0]
        return (free[0] if free else None), bool(fit)

    def astray(self, job: str) -> bool:
        """Whether a job that has not begun waits in vain.

        Its worker may have died just before, or another server may have been faster.
        """
        with self._lock:
            place, given = self._claims[job], self._given()
        others = given.get(place.address, set()) - {job}
        return place.address not in given or len(others) >= place.slots

    def submit(self, job: str, place: Place, gpu: bool, lease: float) -> Future:
        """Let a worker begin an attempt; returns Dask's future.

        Raises:
            Unavailable: The scheduler does not answer.
        """
        client = self._line()
        with self._told():
            future = client.submit(
                attempt,
                job,
                self.topic,
                lease,
                key=job,
                pure=False,
                workers=[place.address],
                resources={GPU: 1} if gpu else None,
                retries=0,
            )
        future.add_done_callback(lambda done: self._put(job, Message("ended")))
        return future

    def ask(
        self, worker: str, question: Callable[..., Coroutine[Any, Any, Answer]], *words: object
    ) -> Answer:
        """Call one of the functions of `verisim.jobs.visit` on a worker.

        Raises:
            Gone: It does not answer.
        """
        try:
            answers = self._line().run(question, *words, workers=[worker])
            found: Answer = answers[worker]
        except Exception as error:
            raise Gone(f"{worker} does not answer: {error}") from error
        return found

    def open(self, job: str) -> Inbox:
        """Where everything arrives that is heard of a job."""
        inbox = self._inboxes[job] = SimpleQueue()
        return inbox

    def forget(self, job: str, future: Future | None) -> None:
        """Hear no more of a job, and let Dask forget it."""
        self._inboxes.pop(job, None)
        with self._lock:
            self._claims.pop(job, None)
        if future is not None:
            with suppress(Exception):  # the line is broken: there is nothing to forget
                future.cancel(force=True)

    def lost(self) -> Unavailable:
        """The line broke: the next job makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            threading.Thread(target=_close, args=(client,), daemon=True).start()
        return no_scheduler(self.address, "went away")

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            _close(client)

    def _line(self) -> Client:
        with self._lock:
            if self._client is None or self._client.status in ("closed", "closing"):
                self._client = self._connected()
            return self._client

    def _connected(self) -> Client:
        if self._closed:
            raise no_scheduler(self.address, "was hung up on")
        try:
            client: Client = dask().Client(
                self.address, timeout=CONNECT_SECONDS, set_as_default=False, name="verisim"
            )
        except Unavailable:
            raise
        except Exception as error:  # Dask raises what it likes, e.g. TypeError without TLS keys
            raise no_scheduler(self.address, f"does not answer: {error}") from error
        client.subscribe_topic(self.topic, self._hear)
        client.subscribe_topic("all", self._hear_of_workers)
        return client

    def _given(self) -> dict[str, set[str]]:
        """The tasks that each worker has, of all servers."""
        with self._told():
            found = self._client.processing() if self._client is not None else {}
        return {address: {str(key) for key in keys} for address, keys in found.items()}

    def _busy(self) -> dict[str, set[str]]:
        """These, and those that this server is about to give to them."""
        busy = self._given()
        for job, place in self._claims.items():
            busy.setdefault(place.address, set()).add(job)
        return busy

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        said = event[1]
        self._put(said["job"], Message(said["what"], said["worker"], said))

    def _hear_of_workers(self, event: tuple[float, Any]) -> None:
        said = event[1]
        if isinstance(said, Mapping) and said.get("action") == "remove-worker":
            for job in list(self._inboxes):
                self._put(job, Message("died", said["worker"]))

    def _put(self, job: str, message: Message) -> None:
        inbox = self._inboxes.get(job)
        if inbox is not None:
            inbox.put(message)
        elif message.what == "begun":  # nobody wants it any more; this thread may not wait
            words = message.worker, message.content["visit"]
            threading.Thread(target=self._refuse, args=words, daemon=True).start()

    def _refuse(self, worker: str, visit: str) -> None:
        with suppress(Gone):
            self.ask(worker, tell_all, visit, "stop")

    def _told(self) -> _Told:
        return _Told(self)


@dataclass(frozen=True)
class _Told:
    scheduler: Scheduler

    def __enter__(self) -> None:
        """Nothing happens yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, Unavailable):
            raise self.scheduler.lost() from error


def _place(address: str, known: Mapping[str, Any]) -> Place:
    gpus = known.get("resources", {}).get(GPU, 0)
    threads = int(known.get("nthreads", 1))
    return Place(address, max(1, min(threads, int(gpus)) if gpus else threads), gpus >= 1)


def _close(client: Client) -> None:
    try:
        client.close(timeout=5)
    except Exception as error:
        logger.warning("The line to the scheduler ended badly: %s", error)
