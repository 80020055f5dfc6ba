"""One line of the log, and one count, for each request."""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lib.errors import reply
from lib.watch import metrics
from lib.watch.shutdown import stopping
from verisim.errors import Unavailable

UNKNOWN = "unknown"
QUIET = {"/health", "/health/live", "/health/ready", "/metrics"}
"""Asked every few seconds: counted, but not written down while all is well."""

CUT_OFF = Unavailable("The server is stopping.", "Send the request again in a minute.")

logger = logging.getLogger(__name__)


class Access:
    """Counts requests by the template of their route: addresses and queries hold ids."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)  # unless an answer begins
        start, begun = time.monotonic(), False

        async def noted(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if stopping() and not begun:
                await reply(Request(scope), CUT_OFF)(scope, receive, noted)
            raise
        finally:
            _note(scope, status, time.monotonic() - start)


def template(scope: Scope) -> str:
    """The path of the route that answered, with its braces; UNKNOWN if there was none."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    return str(path) if path is not None else UNKNOWN


def _note(scope: Scope, status: int, seconds: float) -> None:
    route = template(scope)
    metrics.request_ended(scope["method"], route, status, seconds)
    if route in QUIET and status < HTTPStatus.BAD_REQUEST:
        return
    method = scope["method"] if scope["method"] in metrics.METHODS else metrics.OTHER
    milliseconds = round(seconds * 1000, 1)
    logger.info(
        "%s %s %d",
        method,
        route,
        status,
        extra={
            "fields": {
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": milliseconds,
            }
        },
    )
