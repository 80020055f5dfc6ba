"""How fair an order was: how far one user got ahead of another who waited all the time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Stay:
    """One job as its record tells it; times are seconds.

    Args:
        user: Who asked.
        submitted: When it came.
        started: When its turn came.
        ended: When it was over.
    """

    user: str
    submitted: float
    started: float
    ended: float


def largest_lead(stays: Iterable[Stay]) -> int:
    """By how many ended jobs any user got ahead of another while both had something waiting.

    Of every two users the longest time is looked at in which both always had a job that waited;
    the lead is counted anew from its beginning. 0 or 1 is a perfect round robin.
    """
    by_user: dict[str, list[Stay]] = defaultdict(list)
    for stay in stays:
        by_user[stay.user].append(stay)
    pairs = combinations(by_user.values(), 2)
    return max((_lead(one, other) for one, other in pairs), default=0)


def longest_wait(stays: Sequence[Stay]) -> tuple[float, float]:
    """Start and stop of the longest time in which always one of the jobs waited."""
    longest, start, stop = (0.0, 0.0), 0.0, float("-inf")
    for stay in sorted(stays, key=lambda one: one.submitted):
        if stay.submitted > stop:
            start = stay.submitted
        stop = max(stop, stay.started)
        if stop - start > longest[1] - longest[0]:
            longest = (start, stop)
    return longest


def _lead(one: Sequence[Stay], other: Sequence[Stay]) -> int:
    waits = [longest_wait(stays) for stays in (one, other)]
    start, stop = max(wait[0] for wait in waits), min(wait[1] for wait in waits)
    ends = sorted(
        [(stay.ended, 1) for stay in one] + [(stay.ended, -1) for stay in other],
    )
    ahead, leads = 0, [0]
    for ended, sign in ends:
        if start <= ended <= stop:
            ahead += sign
            leads.append(ahead)
    # from any moment on, not only from the first: one may fall behind after it was ahead
    return max(leads) - min(leads)
