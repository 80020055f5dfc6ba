"""Every user in turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from verisim.errors import Unavailable
from verisim.jobs.turns import Ticket, Turns, in_turn


def tickets(users: str) -> list[Ticket]:
    """One ticket a letter."""
    return [Ticket(user, "cpu", lambda: None) for user in users]


def order(users: str, served: dict[str, int] | None = None) -> str:
    """Who comes when."""
    return "".join(ticket.user for ticket in in_turn(tickets(users), served or {}))


def test_a_single_user_comes_by_time_of_arrival() -> None:
    waiting = tickets("aaa")
    assert in_turn(waiting, {}) == waiting


def test_users_alternate_however_many_jobs_one_of_them_has() -> None:
    assert order("aaaab") == "abaaa"
    assert order("aaabbc") == "abcaba"


def test_who_was_served_longest_ago_comes_first() -> None:
    assert order("ab", {"a": 2, "b": 1}) == "ba"
    assert order("abc", {"a": 2, "b": 1}) == "cba"


def test_one_at_a_time_and_nobody_is_lost() -> None:
    turns = Turns(lambda device: ThreadPoolExecutor(1))
    running, most, lock = 0, 0, threading.Lock()

    def work() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return 1

    futures = [turns.enter(Ticket(str(n % 7), "cpu", work)) for n in range(300)]
    assert sum(future.result(20) for future in futures) == 300
    assert most == 1
    turns.close(wait=True)


def test_an_error_reaches_who_waits_and_the_next_is_served() -> None:
    turns = Turns(lambda device: ThreadPoolExecutor(1))

    def bad() -> None:
        raise ValueError("bad")

    first, second = turns.enter(Ticket("a", "cpu", bad)), turns.enter(Ticket("a", "cpu", int))
    with pytest.raises(ValueError, match="bad"):
        first.result(20)
    assert second.result(20) == 0
    turns.close(wait=True)


def test_who_waits_when_the_doors_close_is_told() -> None:
    turns = Turns(lambda device: ThreadPoolExecutor(1))
    go = threading.Event()
    turns.enter(Ticket("a", "cpu", go.wait))
    waiting = turns.enter(Ticket("a", "cpu", int))
    turns.close(wait=False)
    with pytest.raises(Unavailable):
        waiting.result(20)
    with pytest.raises(Unavailable):
        turns.enter(Ticket("a", "cpu", int))
    go.set()


@contextmanager
def holding(turns: Turns, count: int) -> Iterator[threading.Semaphore]:
    """So many tickets that are at work until the block ends; each says when it begins."""
    begun, go = threading.Semaphore(0), threading.Event()
    futures = [
        turns.enter(Ticket("a", "cpu", lambda: begun.release() or go.wait(20)))
        for _ in range(count)
    ]
    yield begun
    go.set()
    assert all(future.result(20) for future in futures)
    turns.close(wait=True)


def test_places_that_come_later_are_taken_at_once() -> None:
    turns = Turns(lambda device: ThreadPoolExecutor(10))
    with holding(turns, 7) as begun:
        assert begun.acquire(timeout=20)
        assert turns.lengths() == {"cpu": 6}
        turns.resize(5)
        assert all(begun.acquire(timeout=20) for _ in range(4))
        assert turns.lengths() == {"cpu": 2}
        assert not begun.acquire(timeout=0.05)


def test_places_that_go_are_not_filled_again_and_who_works_goes_on() -> None:
    turns = Turns(lambda device: ThreadPoolExecutor(10), places=3)
    release = [threading.Event() for _ in range(5)]
    begun = threading.Semaphore(0)

    def work(k: int) -> bool:
        begun.release()
        return release[k].wait(20)

    futures = [turns.enter(Ticket("a", "cpu", partial(work, k))) for k in range(5)]
    assert all(begun.acquire(timeout=20) for _ in range(3))
    turns.resize(1)
    for k in (0, 1):
        release[k].set()
        assert futures[k].result(20)
    assert turns.lengths() == {"cpu": 2}
    assert not begun.acquire(timeout=0.05)
    for event in release[2:]:
        event.set()
    assert all(future.result(20) for future in futures)
    turns.close(wait=True)
