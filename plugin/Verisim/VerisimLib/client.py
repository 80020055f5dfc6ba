"""The only file that speaks HTTP: requests, and every way in which they fail, with a remedy."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from VerisimLib.pieces import NOTHING, PIECE, Body, Pieces, parts_of
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


class Wires:
    """The open connections of a client: cut, a person who cancels need not wait for the server."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []
        self._unwanted = False

    def cut(self) -> None:
        """End what waits, and what would begin; whoever waits hears of a broken connection."""
        self._unwanted = True
        for wire in list(self._open):
            _shut(wire)

    def _keep(self, wire: socket.socket) -> None:
        self._open.append(wire)
        if self._unwanted:  # it was being opened while the others were cut
            _shut(wire)

    def mount(self, session: requests.Session) -> None:
        """Know the connections of a session; those over a proxy end by themselves."""
        kinds: dict[str, Any] = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
        for scheme, pool in kinds.items():
            adapter = requests.adapters.HTTPAdapter()
            adapter.poolmanager.pool_classes_by_scheme = {scheme: self._known(pool)}
            session.mount(f"{scheme}://", adapter)

    def _known(self, pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
        """A pool of connections that are kept here."""
        keep = self._keep

        class Known(pool.ConnectionCls):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                keep(self.sock)

        return type("KnownPool", (pool,), {"ConnectionCls": Known})


def _shut(wire: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        wire.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Client:
    """Sends requests to one server.

    Args:
        address: Where it is, and the person's key.
        stopped: Asked between two pieces of every answer; true: the person cancelled.
        seconds: How long the server may be silent.
        wires: Its connections, for who wants to cut them.
    """

    address: Address
    stopped: Callable[[], bool] = never
    seconds: float = 30.0
    wires: Wires | None = None

    def json(
        self, method: str, route: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer as an object; of an empty answer an empty one.

        What a server has begun must be known to be ended, so this is not stopped half-way.
        """
        with self._asked(method, route, Body(json=body), method != "GET") as response:
            return _object(self._content(response, whole=True))

    def form(
        self,
        method: str,
        route: str,
        params: Mapping[str, Any],
        files: Sequence[tuple[str, bytes]] = (),
        part: str = "file",
    ) -> dict[str, Any]:
        """Send parameters and files; the answer as an object. It is not stopped half-way."""
        return _object(self.answer(method, route, params, files, part, whole=True))

    def answer(
        self,
        method: str,
        route: str,
        params: Mapping[str, Any],
        files: Sequence[tuple[str, bytes]] = (),
        part: str = "file",
        whole: bool = False,
    ) -> bytes:
        """Send parameters and files; the answer as it is, not stopped half-way if `whole`."""
        body = Body(files=parts_of(params, files, part))
        with self._asked(method, route, body, whole) as response:
            return self._content(response, whole=whole)

    def send(self, route: str, content: bytes, show: Callable[[float], None]) -> None:
        """Put bytes there."""
        with self._asked("PUT", route, Body(data=Pieces(content, self.stopped, show))):
            pass

    def exists(self, route: str) -> bool:
        """Whether there is something."""
        try:
            with self._asked("HEAD", route):
                return True
        except (NoSuchRoute, Rejected):
            return False

    def read(self, route: str, show: Callable[[float], None] | None = None) -> bytes:
        """The bytes that are there."""
        with self._asked("GET", route) as response:
            return self._content(response, show)

    @contextmanager
    def _asked(
        self, method: str, route: str, body: Body = NOTHING, whole: bool = False
    ) -> Iterator[requests.Response]:
        """The answer, as soon as its head has come."""
        headers = {"X-API-Key": self.address.key} if self.address.key else {}
        address = checked(self.address.url)
        with _told(address, self.seconds), requests.Session() as session:
            # a proxy of the hospital does not know this machine's own addresses
            session.trust_env = urlsplit(address).hostname not in ("localhost", "127.0.0.1", "::1")
            if self.wires is not None and not whole:
                self.wires.mount(session)
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
        self,
        response: requests.Response,
        show: Callable[[float], None] | None = None,
        whole: bool = False,
    ) -> bytes:
        length = int(response.headers.get("Content-Length") or 0)
        packed = "Content-Encoding" in response.headers
        content = bytearray()
        for piece in response.iter_content(PIECE):
            if self.stopped() and not whole:
                raise Stopped()
            content += piece
            if show and length and not packed:
                show(100 * min(1.0, len(content) / length))
        if length and not packed and len(content) != length:
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
        if "WRONG_VERSION" in str(error) or "record layer" in str(error):
            raise Untrusted(f"{where} does not speak https.", "Write http:// instead.") from error
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
