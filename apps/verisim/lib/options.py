"""What the person who starts the server may choose with `--conf NAME VALUE`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.watch.logs import check_format
from verisim.errors import BadInput

UPLOADS = "kept-uploads"
JOBS = "kept-jobs"
"""Folder of the jobs in that of the app, if none is named."""


@dataclass(frozen=True)
class Options:
    """The app's settings.

    Args:
        models: Folder of models beside those that are shipped; training writes here.
        max_upload_mb: Larger requests are refused.
        busy_seconds: How long a request waits for its device before it is told to come back.
        max_waiting: Requests beyond this number are told so at once.
        max_loaded: Models kept in memory.
        origins: Addresses of web pages, beside the server's own, that may talk to it.
        log_format: `json`, `text`, or `auto`: text on a terminal, JSON elsewhere.
        keys: File of the keys that open the server; None if there is none.
        rate: Requests that each key may send in a second, sustained.
        max_voxels: Larger volumes are refused by their header.
        drain_seconds: How long running requests may go on when the server is stopped.
        jobs: Folder of the jobs, private to this server.
        keep_hours: How long jobs that have ended are kept, with their results, and unused uploads.
        uploads: Folder of the uploads that are kept, private to this server.
        keep_mb: What is kept of uploads in all; the ones unused for the longest time leave.
        max_jobs: Jobs that have not ended; more are refused.
        max_jobs_each: The same, of one user.
        datasets: Folder of data sets that audits compare with; None: no audit can be asked for.
        refine_mb: Answers of models that are kept in memory for the clicks that correct them.
    """

    models: Path
    max_upload_mb: int = 2048
    busy_seconds: int = 600
    max_waiting: int = 32
    max_loaded: int = 4
    origins: tuple[str, ...] = ()
    log_format: str = "auto"
    drain_seconds: int = 20
    keys: Path | None = None
    rate: int = 50
    max_voxels: int = 1_000_000_000
    jobs: Path = Path(JOBS)
    keep_hours: int = 24
    uploads: Path = Path(UPLOADS)
    keep_mb: int = 20_000
    max_jobs: int = 1000
    max_jobs_each: int = 100
    datasets: Path | None = None
    refine_mb: int = 1000


def read_options(conf: Mapping[str, str], app_dir: Path) -> Options:
    """The options among all `--conf` pairs.

    Raises:
        BadInput: A value is no whole number above 0.
    """
    return Options(
        models=Path(conf.get("models", app_dir / "model")).expanduser(),
        max_upload_mb=_count(conf, "max_upload_mb", Options.max_upload_mb),
        busy_seconds=_count(conf, "busy_seconds", Options.busy_seconds),
        max_waiting=_count(conf, "max_waiting", Options.max_waiting),
        max_loaded=_count(conf, "max_loaded", Options.max_loaded),
        origins=tuple(filter(None, conf.get("origins", "").split(","))),
        log_format=check_format(conf.get("log_format", Options.log_format)),
        keys=Path(conf["keys"]).expanduser().absolute() if conf.get("keys") else None,
        rate=_count(conf, "rate", Options.rate),
        max_voxels=_count(conf, "max_voxels", Options.max_voxels),
        drain_seconds=_count(conf, "drain_seconds", Options.drain_seconds),
        jobs=Path(conf.get("jobs") or app_dir / JOBS).expanduser().absolute(),
        keep_hours=_count(conf, "keep_hours", Options.keep_hours),
        uploads=Path(conf.get("uploads") or app_dir / UPLOADS).expanduser().absolute(),
        keep_mb=_count(conf, "keep_mb", Options.keep_mb),
        max_jobs=_count(conf, "max_jobs", Options.max_jobs),
        max_jobs_each=_count(conf, "max_jobs_each", Options.max_jobs_each),
        datasets=Path(conf["datasets"]).expanduser().absolute() if conf.get("datasets") else None,
        refine_mb=_count(conf, "refine_mb", Options.refine_mb),
    )


def _count(conf: Mapping[str, str], name: str, default: int) -> int:
    given = str(conf.get(name, default))
    if not given.isdecimal() or int(given) < 1:
        raise BadInput(f"--conf {name} is {given!r}.", "Give a whole number above 0.")
    return int(given)
