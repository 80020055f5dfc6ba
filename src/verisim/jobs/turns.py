"""Whose turn it is on each device: one after the other, every user in turn."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from verisim.errors import Unavailable

_here = threading.local()


@dataclass(frozen=True, eq=False)
class Ticket:
    """Some work that waits for its turn.

    Args:
        user: Who asked.
        device: Where it is done.
        work: What to do.
        brief: Whether long work lets it go first.
        patience: Seconds until somebody who waits gives up; None if nobody does.
        future: Hears of the end.
    """

    user: str
    device: str
    work: Callable[[], Any]
    brief: bool = True
    patience: float | None = None
    future: Future[Any] = field(default_factory=Future)

    def run(self) -> None:
        """Do the work and tell the future."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            answer = self.work()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(answer)


def in_turn(waiting: Iterable[Ticket], served: Mapping[str, int]) -> list[Ticket]:
    """Round robin over users: the one who was served longest ago comes first.

    Args:
        waiting: By time of arrival.
        served: When each user was served last, as a running number.
    """
    queues: dict[str, deque[Ticket]] = defaultdict(deque)
    for ticket in waiting:
        queues[ticket.user].append(ticket)
    # sorted() is stable: users who were never served stay in their order of arrival
    users = deque(sorted(queues, key=lambda user: served.get(user, -1)))
    order = []
    while users:
        user = users.popleft()
        order.append(queues[user].popleft())
        if queues[user]:
            users.append(user)
    return order


def turn_of_thread() -> tuple[Turns, Ticket] | None:
    """Whose turn the present thread is at work for, if any."""
    found: tuple[Turns, Ticket] | None = getattr(_here, "turn", None)
    return found


def was_busy(device: str, seconds: float) -> Unavailable:
    """Why somebody who waited gave up."""
    return Unavailable(
        f"{device} was busy with other requests for {seconds:g} s.",
        "Try again later, or ask for another device.",
    )


def about_to_stop() -> Unavailable:
    """Why no more work is taken."""
    return Unavailable("The server is about to stop.", "Ask again in a minute.")


class Turns:
    """Tickets by device, and executors that take the next one.

    Args:
        executor: Makes the executor of a device; its workers are as many as `places` may become.
        places: How many tickets a device works on at once, until `resize`.
        told: Hears how many wait for a device, at every change.
    """

    def __init__(
        self,
        executor: Callable[[str], Executor],
        places: int = 1,
        told: Callable[[str, int], None] = lambda device, count: None,
    ) -> None:
        self._executor = executor
        self._places = places
        self._told = told
        self._executors: dict[str, Executor] = {}
        self._waiting: dict[str, list[Ticket]] = defaultdict(list)
        self._running: dict[str, int] = defaultdict(int)
        self._served: dict[str, int] = {}
        self._count = 0
        self._closed = False
        self._lock = threading.Lock()

    def enter(self, ticket: Ticket) -> Future[Any]:
        """Wait for a turn; the future hears of the end.

        Raises:
            Unavailable: No more turns are given.
        """
        with self._lock:
            if self._closed:
                raise about_to_stop()
            self._waiting[ticket.device].append(ticket)
            self._told(ticket.device, len(self._waiting[ticket.device]))
        self._call(ticket.device)
        return ticket.future

    def leave(self, ticket: Ticket) -> bool:
        """Give up waiting; False if the turn has come already."""
        with self._lock:
            if ticket not in self._waiting[ticket.device]:
                return False
            self._waiting[ticket.device].remove(ticket)
            self._told(ticket.device, len(self._waiting[ticket.device]))
        return ticket.future.cancel()

    def order(self, device: str) -> list[Ticket]:
        """Who waits, the next one first."""
        with self._lock:
            return in_turn(self._waiting[device], self._served)

    def lengths(self) -> dict[str, int]:
        """How many wait, by device."""
        with self._lock:
            return {device: len(waiting) for device, waiting in self._waiting.items()}

    def give_way(self, device: str) -> None:
        """Do all brief work that waits, in the thread that has the device."""
        while (ticket := self._next(device, brief=True)) is not None:
            self._do(ticket)

    def resize(self, places: int) -> None:
        """From now on a device works on so many tickets at once; those at work go on."""
        with self._lock:
            self._places = places
            devices = list(self._waiting)
        for device in devices:
            self._call(device)

    @property
    def closed(self) -> bool:
        """Whether no more turns are given."""
        return self._closed

    def close(self, wait: bool) -> None:
        """Take no more turns; what runs may end.

        Args:
            wait: Whether to return only then.
        """
        with self._lock:
            self._closed = True
            waiting = [ticket for queue in self._waiting.values() for ticket in queue]
            self._waiting.clear()
            executors = list(self._executors.values())
        for ticket in waiting:
            ticket.future.set_exception(about_to_stop())
        for executor in executors:
            executor.shutdown(wait=wait)

    def _call(self, device: str) -> None:
        """Let an executor take the next tickets, as many as places are free."""
        with self._lock:
            free = self._places - self._running[device]
            count = min(free, len(self._waiting[device]))
            if count <= 0:
                return
            self._running[device] += count
            if device not in self._executors:
                self._executors[device] = self._executor(device)
            executor = self._executors[device]
        for _ in range(count):
            executor.submit(self._take, device)

    def _take(self, device: str) -> None:
        try:
            ticket = self._next(device)
            if ticket is not None:
                self._do(ticket)
        finally:
            with self._lock:
                self._running[device] -= 1
            self._call(device)

    def _do(self, ticket: Ticket) -> None:
        before = turn_of_thread()
        _here.turn = self, ticket
        try:
            ticket.run()
        finally:
            _here.turn = before

    def _next(self, device: str, brief: bool = False) -> Ticket | None:
        with self._lock:
            wanted = [one for one in self._waiting[device] if one.brief or not brief]
            order = in_turn(wanted, self._served)
            if not order:
                return None
            self._waiting[device].remove(order[0])
            self._told(device, len(self._waiting[device]))
            self._count += 1
            self._served[order[0].user] = self._count
            return order[0]
