"""What the server tells about a job."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

from monailabel.config import settings
from pydantic import BaseModel, ConfigDict

from verisim.jobs.asked import Seen
from verisim.jobs.job import Job, State, Trouble

ID = "3f0c9a41d2b84f6d9a0e5b7c6f1d2e30"

ADDRESSES = {
    "status_url": f"/jobs/{ID}",
    "events_url": f"/jobs/{ID}/events",
    "result_url": f"/jobs/{ID}/result",
}

ACCEPTED: dict[str, Any] = {"id": ID, **ADDRESSES}

STATUS: dict[str, Any] = {
    **ACCEPTED,
    "kind": "segment",
    "model": "hippocampus-unet",
    "user": "anna",
    "device": "cuda:0",
    "state": "running",
    "percent": 41.5,
    "eta_seconds": 12.3,
    "position": None,
    "message": "patches",
    "submitted": "2026-01-31T08:59:58.120Z",
    "started": "2026-01-31T09:00:00.250Z",
    "ended": None,
    "expires": None,
    "seconds": {"waited": 2.13, "run": 8.72},
    "interruptions": 0,
    "error": None,
    "answer": {},
    "files": [],
}


class File(BaseModel):
    """A result."""

    name: str
    bytes: int
    url: str


class Files(BaseModel):
    """All results of a job."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "files": [
                    {
                        "name": "label.nrrd",
                        "bytes": 48211,
                        "url": f"/jobs/{ID}/result/label.nrrd",
                    },
                    {
                        "name": "probability-anterior.nrrd",
                        "bytes": 162044,
                        "url": f"/jobs/{ID}/result/probability-anterior.nrrd",
                    },
                    {
                        "name": "report.json",
                        "bytes": 1204,
                        "url": f"/jobs/{ID}/result/report.json",
                    },
                ]
            }
        }
    )

    files: list[File]


class Accepted(BaseModel):
    """A job that was handed in, and where to ask after it."""

    model_config = ConfigDict(json_schema_extra={"example": ACCEPTED})

    id: str
    status_url: str
    events_url: str
    result_url: str


class Seconds(BaseModel):
    """How long a job waited for its turn, and how long its latest attempt runs or ran."""

    waited: float
    run: float


class Status(Accepted):
    """How a job stands; times are those of UTC."""

    model_config = ConfigDict(json_schema_extra={"example": STATUS})

    kind: str
    model: str
    user: str
    device: str
    state: State
    percent: float
    eta_seconds: float | None
    position: int | None
    message: str
    submitted: str
    started: str | None
    ended: str | None
    expires: str | None
    seconds: Seconds
    interruptions: int
    error: Trouble | None
    answer: dict[str, Any]
    files: list[File]


class Listed(BaseModel):
    """The newest jobs, the newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"jobs": [STATUS]}})

    jobs: list[Status]


class Forgotten(BaseModel):
    """What was deleted for good."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"jobs": [ID], "sessions": 1, "uploads": 0}}
    )

    jobs: list[str]
    sessions: int = 0
    uploads: int = 0


def accepted(job: Job) -> Accepted:
    """Where to ask after a job."""
    return Accepted(id=job.id, **_addresses(job))


def status(seen: Seen, folder: Path | None = None) -> Status:
    """How a job stands.

    Args:
        seen: The job.
        folder: Of its results, if it is done.
    """
    job, standing = seen.job, seen.standing
    running = job.state == State.RUNNING
    left = standing.seconds_left if running else None
    return Status(
        id=job.id,
        **_addresses(job),
        kind=job.kind,
        model=job.model,
        user=job.user,
        device=job.device,
        state=job.state,
        percent=round(standing.percent, 2),
        eta_seconds=None if left is None else round(left, 1),
        position=seen.position,
        message=standing.message,
        submitted=_iso(job.submitted) or "",
        started=_iso(job.started),
        ended=_iso(job.ended),
        expires=_iso(job.kept_until),
        seconds=_seconds(job),
        interruptions=job.interruptions,
        error=job.trouble,
        answer=job.answer,
        files=files_of(job, folder),
    )


def files_of(job: Job, folder: Path | None) -> list[File]:
    """The results of a job that is done."""
    if folder is None:
        return []
    address = _addresses(job)["result_url"]
    return [
        File(name=name, bytes=(folder / name).stat().st_size, url=f"{address}/{name}")
        for name in job.files
    ]


def _addresses(job: Job) -> dict[str, str]:
    return {
        name: f"{settings.MONAI_LABEL_API_STR}{address.replace(ID, job.id)}"
        for name, address in ADDRESSES.items()
    }


def _seconds(job: Job) -> Seconds:
    now = time.time()
    begun = job.started or job.ended or now
    over = job.ended or now
    run = over - job.started if job.started else 0.0
    return Seconds(waited=round(max(0.0, begun - job.submitted), 3), run=round(max(0.0, run), 3))


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
