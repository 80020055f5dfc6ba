"""Whose request it is."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from verisim.keys import Role

__all__ = ["LOCAL", "Role", "User", "user_of"]


@dataclass(frozen=True)
class User:
    """A person or program that sends requests.

    Args:
        name: The name of its key.
        role: What it may do.
    """

    name: str
    role: Role


LOCAL = User("local", Role.ADMIN)
"""Whoever asks a server that has no keys."""

NOBODY = User("nobody", Role.READER)
"""Whoever asks a server with keys for what is open to everybody."""


def user_of(request: HTTPConnection) -> User:
    """Who sent a request; on a server without keys everybody is `LOCAL`.

    Args:
        request: Any request, also one that never met the doors, as in a test of a single route.
    """
    user = request.scope.get("state", {}).get("user", LOCAL)
    assert isinstance(user, User)
    return user
