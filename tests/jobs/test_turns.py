"""Every user in turn."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

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
