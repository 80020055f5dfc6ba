"""Around every request: its id, and a limit to what it may send."""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lib.errors import reply
from lib.watch.context import enter_request


class RequestId:
    """Gives each request an id, or keeps the one that the caller sent, in X-Request-ID."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        request_id = offered if re.fullmatch(r"[\w.-]{1,64}", offered) else uuid.uuid4().hex[:16]
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        enter_request(state)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self._app(scope, receive, named)


class UploadLimit:
    """Refuses bodies beyond a limit: declared ones before the first byte, others as they grow.

    Args:
        limit_mb: Largest body.
    """

    def __init__(self, app: ASGIApp, limit_mb: int) -> None:
        self._app = app
        self._limit = limit_mb * 1_000_000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limit:
            response = reply(Request(scope), self._refusal(int(declared)))
            response.headers["Connection"] = "close"  # the rest is not waited for
            await response(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise self._refusal(received)
            return message

        return counting

    def _refusal(self, size: int) -> HTTPException:
        return HTTPException(
            413,
            f"The request is {size / 1e6:.0f} MB or more; this server accepts "
            f"{self._limit / 1e6:.0f} MB. Crop the volume, or start the server with a larger "
            "--conf max_upload_mb.",
        )
