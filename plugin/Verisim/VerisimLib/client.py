"""The only file that speaks HTTP: requests, and every way in which they fail, with a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from VerisimLib.problems import (
    BadAddress,
    Cut,
    NoSuchHost,
    NoSuchRoute,
    Odd,
    Problem,
    Refused,
    Rejected,
    Stopped,
    TooSlow,
    Untrusted,
)
from VerisimLib.refusals import refusal

PIECE = 1 << 20
"""Bytes that are sent or read at once; smaller ones cost a turn of the event loop each."""

CONNECT_SECONDS = 5.0
"""To reach the machine."""


def never() -> bool:
    """Nobody cancels."""
    return False


@dataclass(frozen=True)
class Address:
    """Where a server is.

    Args:
        url: http://host:port, or https.
        key: What lets the person in; empty: nothing is asked for.
    """

    url: str
    key: str = field(default="", repr=False)


class Pieces:
    """Bytes in pieces, which `requests` sends with their length.

    Args:
        content: All of it.
        stopped: Asked before each piece.
        show: Is told the percentage that has gone.
    """

    def __init__(
        self, content: bytes, stopped: Callable[[], bool], show: Callable[[float], None]
    ) -> None:
        self.content, self.stopped, self.show = content, stopped, show

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), PIECE):
            if self.stopped():
                raise Stopped()
            yield self.content[start : start + PIECE]
            self.show(100 * min(1.0, (start + PIECE) / len(self.content)))


@dataclass(frozen=True)
class Body:
    """What goes along with a request: an object, or files, or bytes.

    Args:
        json: An object.
        files: Parts of a form: the name of each, the name of its file and its content.
        data: Bytes in pieces.
    """

    json: Mapping[str, Any] | None = None
    files: Sequence[tuple[str, tuple[str | None, Any]]] | None = None
    data: Pieces | None = None


NOTHING = Body()
"""Of a request that only asks."""


@dataclass(frozen=True)
class Client:
    """Sends requests to one server.

    Args:
        address: Where it is, and the person's key.
        stopped: Asked between two pieces of every answer; true: the person cancelled.
        seconds: How long the server may be silent.
    """

    address: Address
    stopped: Callable[[], bool] = never
    seconds: float = 30.0

    def json(
        self, method: str, route: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer as an object; of an empty answer an empty one."""
        with self._asked(method, route, Body(json=body)) as response:
            return _object(self._content(response))

    def form(
        self,
        method: str,
        route: str,
        params: Mapping[str, Any],
        files: Sequence[tuple[str, bytes]] = (),
        part: str = "file",
    ) -> dict[str, Any]:
        """Send parameters and files; the answer as an object."""
        return _object(self.answer(method, route, params, files, part))

    def answer(
        self,
        method: str,
        route: str,
        params: Mapping[str, Any],
        files: Sequence[tuple[str, bytes]] = (),
        part: str = "file",
    ) -> bytes:
        """Send parameters and files; the answer as it is."""
        parts: list[tuple[str, tuple[str | None, Any]]] = [("params", (None, json.dumps(params)))]
        parts += [(part, (name, content)) for name, content in files]
        with self._asked(method, route, Body(files=parts)) as response:
            return self._content(response)

    def send(self, route: str, content: bytes, show: Callable[[float], None]) -> None:
        """Put bytes there."""
        with self._asked("PUT", route, Body(data=Pieces(content, self.stopped, show))):
            pass

    def exists(self, route: str, method: str = "HEAD") -> bool:
        """Whether there is something."""
        try:
            with self._asked(method, route):
                return True
        except (NoSuchRoute, Rejected):
            return False

    def read(self, route: str, show: Callable[[float], None] | None = None) -> bytes:
        """The bytes that are there."""
        with self._asked("GET", route) as response:
            return self._content(response, show)

    @contextmanager
    def _asked(self, method: str, route: str, body: Body = NOTHING) -> Iterator[requests.Response]:
        """The answer, as soon as its head has come."""
        headers = {"X-API-Key": self.address.key} if self.address.key else {}
        address = checked(self.address.url)
        with _told(address, self.seconds), requests.Session() as session:
            # a proxy of the hospital does not know this machine's own addresses
            session.trust_env = urlsplit(address).hostname not in ("localhost", "127.0.0.1", "::1")
            timeout = (CONNECT_SECONDS, self.seconds)
            with session.request(
                method,
                address + route,
                headers=headers,
                stream=True,
                timeout=timeout,
                json=body.json,
                files=body.files,
                data=body.data,
            ) as response:
                if response.status_code >= 400:
                    raise refusal(response.status_code, response.content, response.headers)
                yield response

    def _content(
        self, response: requests.Response, show: Callable[[float], None] | None = None
    ) -> bytes:
        whole = int(response.headers.get("Content-Length") or 0)
        packed = "Content-Encoding" in response.headers
        content = bytearray()
        for piece in response.iter_content(PIECE):
            if self.stopped():
                raise Stopped()
            content += piece
            if show and whole and not packed:
                show(100 * min(1.0, len(content) / whole))
        if whole and not packed and len(content) != whole:
            raise requests.exceptions.ChunkedEncodingError("fewer bytes than announced")
        return bytes(content)


def checked(address: str) -> str:
    """An address without the slash at its end.

    Raises:
        BadAddress: It is none.
    """
    parts = urlsplit(address.strip())
    try:
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        known = False
    if not known:
        raise BadAddress(
            f"“{address}” is no address of a server.", "Write one such as http://127.0.0.1:8000."
        )
    return address.strip().rstrip("/")


@contextmanager
def _told(address: str, seconds: float) -> Iterator[None]:
    """Errors of the network as problems of a person."""
    place = urlsplit(address)
    host, where = place.hostname or "", place.netloc
    try:
        yield
    except Stopped:
        raise
    except requests.exceptions.SSLError as error:
        raise Untrusted(
            f"The certificate of {host} is not trusted here.",
            "Ask the server's admin for the hospital's certificate authority, or check the name.",
        ) from error
    except requests.exceptions.Timeout as error:
        raise TooSlow(
            f"{where} did not answer within {seconds:g} s.",
            "Check the network; the server may be overloaded: try again.",
        ) from error
    except requests.exceptions.ConnectionError as error:
        raise _unreached(str(error), host, where) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise Cut(
            f"The connection to {where} ended before all had come.",
            "Try again; nothing of it was kept.",
        ) from error
    except requests.exceptions.RequestException as error:
        raise BadAddress(
            f"“{address}” cannot be asked.", "Write one such as http://127.0.0.1:8000."
        ) from error


def _unreached(said: str, host: str, where: str) -> Problem:
    if "NameResolution" in said or "getaddrinfo" in said or "Name or service" in said:
        return NoSuchHost(
            f"No machine is called {host}.", "Check the name, and that you are in the network."
        )
    if "NewConnectionError" in said or "refused" in said:
        return Refused(
            f"Nothing listens at {where}.", "Start the server, or check the port: verisim serve."
        )
    return Cut(f"{where} broke the connection.", "Try again; nothing of it was kept.")


def _object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        told = json.loads(body)
    except ValueError as error:
        raise Odd(
            "The server's answer cannot be read.", "Check the address: another program answers."
        ) from error
    return told if isinstance(told, dict) else {"answer": told}
