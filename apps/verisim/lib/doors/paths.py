"""The last door on the way out: no answer tells where the server keeps its files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TEXTS = ("application/json", "text/")
"""Kinds of answers that could name a file."""


class NoPaths:
    """Cuts the server's folders out of texts and JSON: a path becomes a name below its folder.

    Our own routes name no file; this is for MONAI Label's and for messages of libraries.

    Args:
        folders: Where the server keeps files.
    """

    def __init__(self, app: ASGIApp, folders: Iterable[Path]) -> None:
        self._app = app
        self._pattern = folder_pattern(folders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] == "HEAD":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Cleaned(self._pattern, send))


class _Cleaned:
    """Sends an answer on without folders; its beginning waits for the length of the rest."""

    def __init__(self, pattern: re.Pattern[bytes], send: Send) -> None:
        self._pattern = pattern
        self._send = send
        self._begun: Message | None = None
        self._is_text = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_text = _is_text(message)
            if self._is_text:
                self._begun = message
                return
        elif message["type"] == "http.response.body" and self._is_text:
            message = {**message, "body": self._pattern.sub(b"", message.get("body", b""))}
            await self._begin(message)
        await self._send(message)

    async def _begin(self, message: Message) -> None:
        if self._begun is None:
            return
        headers = MutableHeaders(scope=self._begun)
        if "content-length" in headers:
            del headers["content-length"]
            if not message.get("more_body", False):
                headers["content-length"] = str(len(message["body"]))
        await self._send(self._begun)
        self._begun = None


def folder_pattern(folders: Iterable[Path]) -> re.Pattern[bytes]:
    """Any of the folders at the beginning of a path, as it stands in a text or in JSON."""
    places = {place for folder in folders for place in (folder.absolute(), folder.resolve())}
    texts = {str(place) for place in places if len(place.parts) > 1}  # "/" would be in everything
    spelled = {one for text in texts for one in (text, json.dumps(text)[1:-1])}
    words = sorted((re.escape(one.encode()) for one in spelled), key=len, reverse=True)
    any_folder = b"|".join(words) or rb"(?!)"
    return re.compile(rb"(?<![\w.~/-])(?:file://)?(?:" + any_folder + rb")(?:/|(?![\w.~-]))")


def _is_text(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    packed = "content-encoding" in headers
    return headers.get("content-type", "").startswith(TEXTS) and not packed
