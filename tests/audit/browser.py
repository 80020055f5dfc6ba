"""A browser without a window, led by the DevTools protocol over two pipes."""

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "google-chrome", "chromium-browser", "microsoft-edge")
"""Browsers that speak the protocol."""

PATIENCE = 60.0
"""Seconds that an answer may take."""

Message = dict[str, Any]


def found() -> str | None:
    """The path of a browser, if this machine has one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Browser:
    """A browser that is told what to do, and remembers what it tells.

    Args:
        ask: Descriptor of the pipe that commands go into.
        hear: Of the one that answers and events come out of.
    """

    ask: int
    hear: int
    heard: list[Message] = field(default_factory=list)
    _rest: bytes = b""
    _count: int = 0

    def __call__(self, method: str, session: str = "", **given: object) -> Message:
        """Send a command and wait for its answer; events meanwhile are remembered."""
        self._count += 1
        told: Message = {"id": self._count, "method": method, "params": given}
        message = json.dumps(told | ({"sessionId": session} if session else {}))
        os.write(self.ask, message.encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                result: Message = answer["result"]
                return result
            self.heard.append(answer)

    def until(self, method: str, session: str) -> None:
        """Wait for an event; it may have been heard already."""
        while not any(
            (one["method"], one.get("sessionId")) == (method, session) for one in self.heard
        ):
            self.heard.append(self._next())

    def _next(self) -> Message:
        end = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self.hear, selectors.EVENT_READ)
            while b"\0" not in self._rest:
                assert selector.select(end - time.monotonic()), "The browser says nothing."
                piece = os.read(self.hear, 1 << 20)
                assert piece, "The browser ended."
                self._rest += piece
        first, _, self._rest = self._rest.partition(b"\0")
        message: Message = json.loads(first)
        return message


@dataclass(frozen=True)
class Page:
    """A page that is open in a browser, at one width.

    Args:
        browser: Where.
        session: Of the protocol.
    """

    browser: Browser
    session: str

    def tell(self, method: str, **given: object) -> Message:
        """Send a command to this page."""
        return self.browser(method, self.session, **given)

    def value(self, script: str) -> Any:  # noqa: ANN401 - whatever the script gives
        """What a script says of the page."""
        told = self.tell("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"]["value"]

    def events(self, method: str) -> list[Message]:
        """What the page told of one kind since it was opened."""
        return [
            one["params"]
            for one in self.browser.heard
            if (one["method"], one.get("sessionId")) == (method, self.session)
        ]

    def picture(self, path: Path) -> None:
        """Write the whole page as PNG."""
        told = self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def opened(program: str, folder: Path) -> Iterator[Browser]:
    """A browser while the block runs.

    Args:
        program: Its path.
        folder: Of its profile.
    """
    (theirs_in, ask), (hear, theirs_out) = os.pipe(), os.pipe()
    words = [program, "--headless", "--no-sandbox", "--remote-debugging-pipe"]
    words += ["--hide-scrollbars", "--no-first-run", f"--user-data-dir={folder}"]
    quiet = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT)
    # the protocol's own: commands come in by 3, answers go out by 4
    places = ((theirs_in, 30), (theirs_out, 40), (30, 3), (40, 4), (quiet, 1), (quiet, 2))
    moves = [(os.POSIX_SPAWN_DUP2, own, place) for own, place in places]
    process = os.posix_spawn(program, words, os.environ, file_actions=moves, setpgroup=0)
    for one in (theirs_in, theirs_out, quiet):
        os.close(one)
    try:
        yield Browser(ask, hear)
    finally:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(ask)
        os.close(hear)


def shown(browser: Browser, path: Path, width: int) -> Page:
    """Open a page as wide as a screen of so many pixels, and wait until it is there."""
    target = browser("Target.createTarget", url="about:blank")["targetId"]
    session = browser("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    page = Page(browser, session)
    for domain in ("Page", "Runtime", "Log", "Network"):
        page.tell(f"{domain}.enable")
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    page.tell("Network.emulateNetworkConditions", **offline)
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.tell("Emulation.setDeviceMetricsOverride", **screen)
    page.tell("Page.navigate", url=path.as_uri())
    browser.until("Page.loadEventFired", session)
    return page
