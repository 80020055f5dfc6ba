"""The HTTP requests about jobs, and the only place here that knows their words."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from serving_jobs.bounded import until

SECONDS = 120.0
"""How long one answer may take."""

ENDED = {"done", "failed", "cancelled"}


@dataclass(frozen=True)
class Job:
    """What the server says of a job."""

    told: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its name."""
        return str(self.told["id"])

    @property
    def state(self) -> str:
        """queued, running, done, failed or cancelled."""
        return str(self.told["state"])

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    @property
    def percent(self) -> float:
        """How far it is."""
        return float(self.told.get("percent") or 0.0)

    @property
    def seconds_left(self) -> float | None:
        """How long the server thinks that it will take."""
        left = self.told.get("eta_seconds")
        return None if left is None else float(left)

    @property
    def interruptions(self) -> int:
        """How often a server or worker ended under it."""
        return int(self.told.get("interruptions") or 0)

    @property
    def trouble(self) -> str:
        """Why it failed."""
        return str((self.told.get("error") or {}).get("code", ""))

    def time_of(self, what: str) -> float:
        """Seconds since 1970 of submitted, started or ended.

        Raises:
            ValueError: That has not come.
        """
        moment = self.told.get(what)
        if moment is None:
            raise ValueError(f"{what} is not known of {self.told}")
        return datetime.fromisoformat(str(moment)).timestamp()


class Refused(Exception):
    """The server answered with an error.

    Args:
        status: Of HTTP.
        told: The JSON body, or {} if it is none.
    """

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {dict(told)}")
        self.status = status
        self.code = str(told.get("code", ""))


@dataclass
class Client:
    """One user of a server; not for several threads.

    Args:
        url: Of the server.
        key: Opens it; empty if it asks for none.
        waits: Seconds of every answer about a job's standing.
    """

    url: str
    key: str = ""
    waits: list[float] = field(default_factory=list)
    _session: requests.Session = field(default_factory=requests.Session)

    def segment(self, volume: Path, key: str = "", **wishes: object) -> Job:
        """Hand a volume in.

        Args:
            volume: File.
            key: Idempotency key.
            wishes: Model, format, ….
        """
        with volume.open("rb") as file:
            told = self._ask(
                "POST",
                "/jobs/segment",
                files={"file": (volume.name, file)},
                data={"params": json.dumps(wishes)},
                headers={"Idempotency-Key": key} if key else {},
            )
        return Job(told)

    def train(self, key: str = "", **wishes: object) -> Job:
        """Ask for a training."""
        headers = {"Idempotency-Key": key} if key else {}
        return Job(self._ask("POST", "/jobs/train", json=wishes, headers=headers))

    def look(self, job_id: str) -> Job:
        """How a job stands; notes how long the answer took."""
        began = time.perf_counter()
        told = self._ask("GET", f"/jobs/{job_id}")
        self.waits.append(time.perf_counter() - began)
        return Job(told)

    def mine(self) -> list[Job]:
        """The jobs of this user, newest first."""
        return [Job(told) for told in self._ask("GET", "/jobs", params={"limit": 1000})["jobs"]]

    def result(self, job_id: str, name: str) -> bytes:
        """One result file."""
        return self._response("GET", result_path(job_id, name)).content

    def cancel(self, job_id: str) -> None:
        """End a job; its record stays."""
        self._response("DELETE", f"/jobs/{job_id}")

    def forget(self, job_id: str) -> None:
        """End a job and delete all that is known of it."""
        self._response("DELETE", f"/jobs/{job_id}/data")

    def ended(self, job_id: str, seconds: float, pause: float = 0.05) -> Job:
        """The job when it is over."""
        return until(lambda: self.look(job_id), lambda job: job.over, seconds, pause)

    def reached(self, job_id: str, percent: float, seconds: float) -> Job:
        """The job when it is so far, or over."""

        def far_enough(job: Job) -> bool:
            return job.over or job.percent >= percent

        return until(lambda: self.look(job_id), far_enough, seconds, 0.01)

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def _ask(self, method: str, path: str, **sent: Any) -> dict[str, Any]:  # noqa: ANN401
        told: dict[str, Any] = self._response(method, path, **sent).json()
        return told

    def _response(self, method: str, path: str, **sent: Any) -> requests.Response:  # noqa: ANN401
        headers = sent.pop("headers", {})
        if self.key:
            headers = {**headers, "Authorization": f"Bearer {self.key}"}
        response = self._session.request(
            method, f"{self.url}{path}", headers=headers, timeout=SECONDS, **sent
        )
        if response.status_code >= 400:
            raise Refused(response.status_code, _object(response))
        return response


def result_path(job_id: str, name: str) -> str:
    """Where a result file is fetched."""
    return f"/jobs/{job_id}/result/{name}"


def _object(response: requests.Response) -> dict[str, Any]:
    try:
        told = response.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
