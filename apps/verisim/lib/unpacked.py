"""Bodies that a client sent packed: unpacked piece by piece, however large they become."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import zstandard
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lib.errors import reply
from verisim.errors import BadInput

ROUTES = ("/uploads", "/infer", "/refine", "/session", "/jobs", "/datastore")
"""Where files are sent to; elsewhere nothing is unpacked."""

PIECE = 1 << 20
SLICE = 1 << 10
"""Of a body in zstd: a block of 4 bytes can become 128 KB, so this becomes 32 MB at most."""

WINDOW = 1 << 27
"""Memory that a body in zstd may ask for: what the largest of zstd's levels needs."""


class Unpacker(Protocol):
    """Unpacks one body."""

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What the next bytes of the body become, in pieces of bounded size."""

    def whole(self) -> bool:
        """Whether the body may end here."""


class Gzip:
    """RFC 1952, several members one after the other included."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """See `Unpacker`."""
        full = False
        while packed or full:
            if packed and self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            self._begun = True
            piece = self._member.decompress(packed, PIECE)
            yield piece
            full = len(piece) == PIECE  # then there may be more of it
            packed = self._member.unconsumed_tail or self._member.unused_data

    def whole(self) -> bool:
        """See `Unpacker`."""
        return self._member.eof or not self._begun


class Zstd:
    """RFC 8878, several frames one after the other included."""

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._begun = False

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """See `Unpacker`."""
        for start in range(0, len(packed), SLICE):
            part = packed[start : start + SLICE]
            while part:
                if self._frame.eof:
                    self._frame = self._decompressor.decompressobj()
                self._begun = True
                yield self._frame.decompress(part)
                part = self._frame.unused_data

    def whole(self) -> bool:
        """See `Unpacker`."""
        return self._frame.eof or not self._begun


UNPACKERS: dict[str, Callable[[], Unpacker]] = {"gzip": Gzip, "zstd": Zstd}


class Unpacked:
    """Lets the rest of the server see plain bodies; a limit further inside counts what they are.

    Args:
        prefix: Before the path of every route.
    """

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        self._app = app
        self._routes = tuple(prefix + route for route in ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        encoding = Headers(scope=scope).get("content-encoding", "") if _is_http(scope) else ""
        encoding = encoding.strip().lower()
        if encoding in ("", "identity"):
            await self._app(scope, receive, send)
            return
        if encoding not in UNPACKERS or not scope["path"].startswith(self._routes):
            await reply(Request(scope), _unknown(encoding))(scope, receive, send)
            return
        plain = MutableHeaders(raw=list(scope["headers"]))
        for name in ("content-encoding", "content-length"):  # neither is true of what comes out
            if name in plain:
                del plain[name]
        plain["transfer-encoding"] = "chunked"
        body = _Body(UNPACKERS[encoding](), receive)
        scope["headers"] = plain.raw  # the same scope: others look into it afterwards
        await self._app(scope, body.receive, send)


class _Body:
    """A body that is unpacked as fast as somebody asks for it."""

    def __init__(self, unpacker: Unpacker, receive: Receive) -> None:
        self._unpacker = unpacker
        self._receive = receive
        self._pieces: Iterator[bytes] = iter(())
        self._more = True

    async def receive(self) -> Message:
        """The next message: a piece, or what is no part of the body."""
        while True:
            piece = self._next_piece()
            if piece is not None:
                await asyncio.sleep(0)  # let other requests have a turn
                return {"type": "http.request", "body": piece, "more_body": True}
            if not self._more:
                return await self._end()
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._more = message.get("more_body", False)
            self._pieces = self._unpacker.pieces(message.get("body", b""))

    def _next_piece(self) -> bytes | None:
        try:
            return next((piece for piece in self._pieces if piece), None)
        except (zlib.error, zstandard.ZstdError) as error:
            raise BadInput(
                "The body is not what its Content-Encoding says, or it is damaged.",
                "Pack it again, or send it as it is.",
            ) from error

    async def _end(self) -> Message:
        if self._unpacker is _DONE:
            return await self._receive()
        if not self._unpacker.whole():
            raise BadInput("The packed body ends early.", "Send it again.")
        self._unpacker = _DONE
        return {"type": "http.request", "body": b"", "more_body": False}


_DONE = Gzip()


def _is_http(scope: Scope) -> bool:
    return bool(scope["type"] == "http")


def _unknown(encoding: str) -> HTTPException:
    return HTTPException(
        415,
        f"Content-Encoding {encoding[:40]!r} is not unpacked here. Send files with gzip or zstd, "
        "everything else as it is.",
        {"Accept-Encoding": ", ".join(UNPACKERS)},
    )
