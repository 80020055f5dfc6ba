"""Jobs of a server, as a client handles them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import requests

from tests.apps.running import Server
from verisim import files
from verisim.volume import Volume

SECONDS = 120


@dataclass(frozen=True)
class Worker:
    """Somebody with jobs on a server.

    Args:
        server: Where they are.
        key: Opens the server, if it has keys.
    """

    server: Server
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **sent: Any) -> requests.Response:  # noqa: ANN401
        """Send a request."""
        headers = {**({"X-API-Key": self.key} if self.key else {}), **sent.pop("headers", {})}
        url = f"{self.server.url}{path}"
        return requests.request(method, url, headers=headers, timeout=SECONDS, **sent)

    def hand_in(
        self,
        query: Mapping[str, str],
        uploads: tuple[Path, ...] = (),
        key: str = "",
        **params: object,
    ) -> requests.Response:
        """Ask for a segmentation by the tiny model."""
        form: list[tuple[str, Any]] = [("params", (None, json.dumps({"model": "tiny", **params})))]
        form += [("file", (path.name, path.read_bytes())) for path in uploads]
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask("POST", "/jobs/segment", params=dict(query), files=form, headers=headers)

    def handed_in(self, query: Mapping[str, str], *uploads: Path, **params: object) -> str:
        """The id of a new job."""
        reply = self.hand_in(query, uploads, **params)  # type: ignore[arg-type]
        assert reply.status_code == 202, reply.text
        return str(reply.json()["id"])

    def status(self, job: str) -> dict[str, Any]:
        """How a job stands."""
        reply = self.ask("GET", f"/jobs/{job}")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def until(
        self, job: str, good: Callable[[dict[str, Any]], bool], seconds: float = SECONDS
    ) -> dict[str, Any]:
        """The status of a job when it is as the test waits for."""
        end = time.monotonic() + seconds
        while not good(found := self.status(job)):
            assert time.monotonic() < end, f"still {found}"
            time.sleep(0.02)
        return found

    def ended(self, job: str, seconds: float = SECONDS) -> dict[str, Any]:
        """The status of a job that is over."""
        return self.until(job, lambda found: found["state"] in OVER, seconds)

    def at_work(self, job: str) -> dict[str, Any]:
        """The status of a job whose network has begun."""
        return self.until(job, lambda found: found["percent"] > 3 or found["state"] in OVER)

    def events(self, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and content of each event of a job."""
        headers = {"X-API-Key": self.key} if self.key else {}
        url = f"{self.server.url}/jobs/{job}/events"
        with requests.get(url, headers=headers, stream=True, timeout=SECONDS) as reply:
            assert reply.headers["Content-Type"].startswith("text/event-stream")
            name = ""
            for line in reply.iter_lines(decode_unicode=True):
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))


OVER = {"done", "failed", "cancelled"}


def a_long_volume(folder: Path, side: int = 224) -> Path:
    """So many voxels that the tiny model is at work for many seconds."""
    x, y, z = np.ogrid[:side, :side, :side]
    array = ((x * y + 7 * z) % 100).astype(np.int16)
    path = folder / "Mustermann_Erika.nii"
    files.write(path, Volume(array, np.diag([0.6, 0.6, 1.2, 1.0])))
    return path


def jobs_folder(server: Server) -> Path:
    """Where a server keeps its jobs."""
    return server.app / "kept-jobs"
