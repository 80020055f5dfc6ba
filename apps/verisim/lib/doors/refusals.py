"""Errors of the doors: who is turned away, why, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from starlette.exceptions import HTTPException

from lib.doors.who import Role, User
from lib.errors import Problem, problem

HOW = (
    "Send the key as X-API-Key: KEY or Authorization: Bearer KEY; in MONAI Label's panel log in "
    "with any name and the key as the password."
)


class TurnedAway(HTTPException):
    """A request that may not come in.

    Args:
        status: Of HTTP.
        code: For programs.
        message: What was found and which rule it breaks.
        remedy: What the person can do.
        headers: That the status asks for.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        remedy: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.problem = Problem(status, code, message, remedy)


@problem.register
def _(error: TurnedAway) -> Problem:
    return error.problem


def no_key() -> TurnedAway:
    """Nothing that could be a key came along."""
    return _unauthorized("This server asks for a key.")


def wrong_key() -> TurnedAway:
    """A key that nobody has."""
    return _unauthorized("This key is not known here, or it was revoked.")


def too_often(seconds: float, what: str) -> TurnedAway:
    """More than the agreed rate.

    Args:
        seconds: Until the next request is answered.
        what: There were too many of.
    """
    wait = max(1, math.ceil(seconds))
    return TurnedAway(
        429,
        "too_many_requests",
        f"Too many {what}.",
        f"Wait {wait} s before the next.",
        {"Retry-After": str(wait)},
    )


def not_allowed(user: User, needed: Role) -> TurnedAway:
    """The key is right, but its role is not enough."""
    return TurnedAway(
        403,
        "forbidden",
        f"The key of {user.name} has the role {user.role.word}; this asks for {needed.word}.",
        "Ask the person who runs the server.",
    )


def not_local(reason: str) -> TurnedAway:
    """A server without keys is for its own machine."""
    return TurnedAway(
        403,
        "forbidden",
        f"This server has no keys, so it answers its own machine only; {reason}.",
        "Start it with --keys FILE; `verisim key NAME` makes a key.",
    )


def bad_path() -> TurnedAway:
    """An address that climbs."""
    return TurnedAway(
        400, "bad_input", "The address holds '..' or a zero byte.", "Write it without."
    )


def keys_unreadable() -> TurnedAway:
    """The keys changed to something that cannot be read: then nobody is let in."""
    return TurnedAway(
        503,
        "unavailable",
        "The keys of this server cannot be read.",
        "The person who runs the server finds the reason in its log.",
    )


def _unauthorized(message: str) -> TurnedAway:
    return TurnedAway(401, "unauthorized", message, HOW, {"WWW-Authenticate": "Bearer"})
