"""A server without keys: it answers programs of its own machine, and no web page of elsewhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from lib.doors.refusals import not_local

SAFE = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing."""


def check_local(scope: Scope, origins: Sequence[str]) -> None:
    """Ask that a request comes from this machine, and not by way of a stranger's web page.

    A page that a browser of this machine shows may send requests here. It cannot read the
    answers, unless its own name was made to point here (then `Host` holds that name); and it may
    send simple forms, which could start a training (then `Origin` tells).

    Args:
        origins: Addresses of web pages that may.

    Raises:
        TurnedAway: It does not.
    """
    headers = Headers(scope=scope)
    if not _is_local((scope.get("server") or ("localhost",))[0]):
        raise not_local("this request came over the network")
    host = _netloc(f"//{headers.get('host', 'localhost')}")
    known = {_netloc(origin) for origin in origins}
    if not _names_here(_name(host)) and _name(host) not in {_name(one) for one in known}:
        raise not_local(f"this request is for the host {_name(host)[:80]!r}")
    origin = headers.get("origin")
    own = origin is None or "*" in origins or _netloc(origin) in {host, *known}
    if scope["method"] not in SAFE and not own:
        raise not_local("this request was sent by a web page of elsewhere")


def _is_local(address: str) -> bool:
    """Whether the end of a connection on this machine is its loopback or a socket in a folder."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return True
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _names_here(name: str) -> bool:
    """Whether a host's name cannot be made to point somewhere else."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return True


def _netloc(url: str) -> str:
    return urlsplit(url).netloc.lower()


def _name(netloc: str) -> str:
    return urlsplit(f"//{netloc}").hostname or ""
