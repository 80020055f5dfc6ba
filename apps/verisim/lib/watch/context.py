"""Which request the present work belongs to; threads learn it from whoever hands them work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, TypeVar

Answer = TypeVar("Answer")

_request: ContextVar[Mapping[str, Any]] = ContextVar("request")


def enter_request(state: Mapping[str, Any]) -> None:
    """Say that everything from here on, in this task, is done for a request.

    Args:
        state: The request's state: `request_id`, and `user` as soon as it is known.
    """
    _request.set(state)


def request_id() -> str:
    """Of the present request; empty outside of one."""
    return str(_request.get({}).get("request_id", ""))


def user_name() -> str:
    """Who sent the present request; empty outside of one, or where nobody has to log in."""
    return str(getattr(_request.get({}).get("user"), "name", ""))


def carried(work: Callable[[], Answer]) -> Callable[[], Answer]:
    """The same work, for another thread that shall know the present request."""
    return partial(copy_context().run, work)
