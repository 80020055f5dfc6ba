"""What a server and a worker say to each other about one job."""

from __future__ import annotations

import json
import logging
import pickle
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty
from secrets import token_hex
from typing import Any

from verisim.errors import Cancelled, VerisimError
from verisim.jobs.cluster_troubles import (
    DIED,
    LOST_TOUCH,
    cannot_begin,
    check_versions,
    died_again,
    no_worker,
)
from verisim.jobs.dask import Future, dask
from verisim.jobs.kind import Kind, Task
from verisim.jobs.models_along import UsesModels, weights_of_cards
from verisim.jobs.parcels import Parcel, add_files, replace_folder
from verisim.jobs.remote import Remote
from verisim.jobs.scheduler import Gone, Inbox, Message, Scheduler
from verisim.jobs.visit import Order, versions
from verisim.progress import Progress

logger = logging.getLogger(__name__)

MOST_DEATHS = 2
"""So many workers may die under a job; the last of them fails it."""

TICK_SECONDS = 0.1
"""How often a wish to cancel is noticed while nothing is heard."""

ASTRAY_SECONDS = 10.0
"""How often it is asked whether a job that does not begin waits in vain."""


class Stopped(Exception):
    """The transfer is not wanted any more."""


@dataclass(frozen=True)
class Patience:
    """How long is waited.

    Args:
        save_seconds: How often the scratch of long work comes back.
        place_seconds: How long a job waits if there is no worker at all that could do it.
        lease_seconds: A server or a worker that does not answer for so long is taken for dead.
    """

    save_seconds: float = 120.0
    place_seconds: float = 600.0
    lease_seconds: float = 60.0


PATIENCE = Patience()


@dataclass
class Conversation:
    """One job on a cluster, from the search for a worker to its results.

    Args:
        scheduler: The line.
        kind: What is done.
        task: With what.
        progress: Hears of it, in the thread that calls `run`.
        patience: How long is waited.
    """

    scheduler: Scheduler
    kind: Kind
    task: Task
    progress: Progress
    patience: Patience = PATIENCE
    _pickled: bytes = b""
    _job: str = ""
    _inbox: Inbox = field(default_factory=Inbox)
    _future: Future | None = None
    _remote: Remote | None = None
    _worker: str = ""
    _dead: list[str] = field(default_factory=list)
    _begun: bool = False
    _stopping: Cancelled | None = None
    _answer: dict[str, Any] | None = None
    _said: tuple[int, int, str] = (0, 0, "")
    _alone_since: float | None = None
    _heard: float = 0.0
    _spoken: float = 0.0

    def run(self) -> Mapping[str, Any]:
        """Do the job; its files are in the task's results then.

        Raises:
            Cancelled: The progress said so, and the worker has stopped.
            Unavailable: There is no worker, or the scheduler went away.
            VerisimError: Two workers died under it.
            Exception: Whatever the work raised.
        """
        self._pickled = pickle.dumps(self.kind)
        try:
            while self._answer is None:
                self._turn()
            return self._answer
        finally:
            self._part()

    def _turn(self) -> None:
        if self._future is None:
            self._look_for_worker()
            return
        try:
            message = self._inbox.get(timeout=TICK_SECONDS)
        except Empty:
            message = Message("tick")
        try:
            self._hear(message)
        except Stopped:
            pass  # the end of the attempt will be heard
        except Gone as error:
            logger.warning("%s", error)
            self._remote = None  # its death will be heard, or it was silent for too long

    def _hear(self, message: Message) -> None:
        self._heard = self._heard if message.what == "tick" else time.monotonic()
        if message.what == "begun":
            self._welcome(message)
        elif message.what == "step":
            self._say(*(message.content[name] for name in ("done", "total", "message")))
        elif message.what in ("saved", "stopped"):
            self._fetch_scratch(message)
        elif message.what == "over":
            self._fetch_results(message)
        elif message.what == "ended":
            self._ended()
        elif message.what == "died" and message.worker == self._worker:
            self._died()
        self._stay_in_touch()

    def _look_for_worker(self) -> None:
        gpu = self.task.device.startswith("cuda")
        job = f"verisim-{self.kind.name}-{token_hex(8)}"
        place, possible = self.scheduler.claim(job, gpu)
        if place is not None:
            self._job, self._worker = job, place.address
            self._inbox = self.scheduler.open(job)
            self._future = self.scheduler.submit(job, place, gpu, self.patience.lease_seconds)
            self._heard = time.monotonic()
            return
        now = time.monotonic()
        self._alone_since = None if possible else self._alone_since or now
        if self._alone_since and now - self._alone_since > self.patience.place_seconds:
            raise no_worker(gpu, self.patience.place_seconds)
        free, gpus = (" free" if possible else ""), (" with a GPU" if gpu else "")
        for _ in range(5):  # look for workers more rarely than for a wish to cancel
            self._say(0, 0, f"Waits for a{free} worker{gpus}.")
            time.sleep(TICK_SECONDS)

    def _welcome(self, message: Message) -> None:
        content, self._begun = message.content, True
        self._remote = Remote(self.scheduler, message.worker, content["visit"], self._between)
        check_versions(message.worker, content["versions"], versions())
        sent = {
            "inputs": self._remote.send_folder("inputs", self.task.inputs),
            "scratch": self._remote.send_folder("scratch", self.task.scratch),
        }
        cards = self.kind.models(self.task.request) if isinstance(self.kind, UsesModels) else ()
        weights = weights_of_cards(cards)
        lacking = self._remote.lacks(weights) if weights else []
        send = partial(self._remote.send_file, "models")
        sent["models"] = tuple(
            send(path.parent, path.name)
            for card in cards
            for path in (card.card_path, card.weights_path)
            if path == card.card_path or any(one.name == path.name for one in lacking)
        )
        save = None if self.kind.brief else self.patience.save_seconds
        order = Order(
            self._pickled, dict(self.task.request), self.task.device, sent, weights, save
        )
        self._remote.begin(order)

    def _fetch_scratch(self, message: Message) -> None:
        if (remote := self._remote) is None:
            return
        room = "saved" if message.what == "saved" else "scratch"
        parcels = _parcels(message, room)
        replace_folder(self.task.scratch, lambda folder: remote.fetch(room, parcels, folder))
        remote.tell("saved" if room == "saved" else "fetched")

    def _fetch_results(self, message: Message) -> None:
        if self._stopping is not None or (remote := self._remote) is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            remote.fetch("answer", _parcels(message, "answer"), Path(folder))
            answer = json.loads((Path(folder) / "answer.json").read_text())
        files = _parcels(message, "results")
        add_files(self.task.results, lambda folder: remote.fetch("results", files, folder))
        self._answer = answer

    def _ended(self) -> None:
        if self._future is not None and self._future.status == "error":
            self._raise(self._future.exception())
        else:  # Dask cancels everything when its line breaks
            raise self.scheduler.lost()

    def _raise(self, error: BaseException) -> None:
        if self._stopping is not None:
            raise self._stopping
        if isinstance(error, dask().KilledWorker):
            self._died()
        elif isinstance(error, Cancelled):  # it did not hear us for too long
            self._died(LOST_TOUCH)
        elif not self._begun and not isinstance(error, VerisimError):
            raise cannot_begin(self._worker, error) from error
        else:
            raise error

    def _died(self, how: str = DIED) -> None:
        if self._stopping is not None:
            raise self._stopping
        self._dead.append(self._worker)
        logger.warning("The worker at %s %s during %s.", self._worker, how, self._job)
        if len(self._dead) >= MOST_DEATHS:
            raise died_again(self._dead, how)
        self._leave()
        self._say(0, 0, f"The worker {how}; it is tried again.")

    def _leave(self) -> None:
        self.scheduler.forget(self._job, self._future)
        self._future, self._remote, self._begun = None, None, False

    def _say(self, done: int, total: int, text: str) -> None:
        self._said = done, total, text
        if self._stopping is not None:
            return
        try:
            self.progress.advance(done, total, text)
        except Cancelled as cancelled:
            if self._remote is None:  # nothing has begun; if it does now, it is told to stop
                raise
            self._stopping = cancelled
            self._remote.tell("stop")

    def _between(self) -> None:
        """Between two pieces of a file."""
        stopping = self._stopping is not None
        self._say(*self._said)
        if not stopping and self._stopping is not None:
            raise Stopped

    def _stay_in_touch(self) -> None:
        now = time.monotonic()
        self._say(*self._said)
        if self._future is None:
            return
        if not self._begun and now - self._heard > ASTRAY_SECONDS:
            self._heard = now
            if self.scheduler.astray(self._job):
                self._leave()
        elif self._remote is None and now - self._heard > self.patience.lease_seconds:
            self._died(LOST_TOUCH)
        elif self._remote is not None and now - self._spoken > self.patience.lease_seconds / 6:
            self._spoken = now
            self._remote.tell("alive")

    def _part(self) -> None:
        """Whatever happened: the attempt ends, and Dask forgets it."""
        with suppress(Gone):  # it has ended already
            if self._remote is not None:
                self._remote.tell("stop" if self._answer is None else "fetched")
        self._leave()


def _parcels(message: Message, room: str) -> tuple[Parcel, ...]:
    return tuple(Parcel(*listed) for listed in message.content["rooms"][room])
