"""What a line of the log tells: never the message of somebody else's error, never a path."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lib.watch.context import request_id, user_name
from lib.watch.scrub import without_paths
from verisim.errors import VerisimError

OURS = ("lib", "main", "verisim", "uvicorn")
"""Loggers whose messages are known; others quote file names, ids and elements of DICOM files."""

_JOB_LINE = re.compile(r"\[[^]]*\] \[\d+\] \[[^]]*\] \[(\w+)\] \(([\w.]+):(\d+)\) - (.*)")
_WARNING = re.compile(r"\b(\w*Warning): ")
_ERROR = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception|Cancelled|BadInput|NotFound)): ")


def is_ours(logger: str) -> bool:
    """Whether the messages of a logger are known to hold nothing private."""
    return logger.partition(".")[0] in OURS


def worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a record is written: what others say only when it is a warning or worse."""
    if record.name.startswith("task_"):
        return bool(_of_job(record.getMessage()))
    return record.levelno >= (logging.INFO if is_ours(record.name) else logging.WARNING)


def content(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a line, in the order in which they are written."""
    told: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": _message(record),
        "request_id": request_id(),
        "user": user_name(),
    }
    told |= getattr(record, "fields", {})
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        told |= {"error": type(error).__name__, "frames": list(_frames(error))}
    return told


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return json.dumps(content(record), default=str)


class TextLines(logging.Formatter):
    """The same for people: time, level, logger, message, and what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told = content(record)
        head = " ".join(str(told.pop(name)) for name in ("time", "level", "logger", "message"))
        rest = " ".join(f"{name}={value}" for name, value in told.items() if value)
        return f"{head} {rest}".replace("\n", " ").rstrip()


def _message(record: logging.LogRecord) -> str:
    if record.name.startswith("task_"):
        return _of_job(record.getMessage())
    if is_ours(record.name):
        args = record.args
        if isinstance(args, tuple):
            args = tuple(_named(arg) for arg in args)
        text = str(record.msg) % args if args else _named_text(record.msg)
        return without_paths(text)
    warned = _WARNING.search(record.getMessage()) if record.name == "py.warnings" else None
    what = warned[1] if warned else f"A message of {record.name}"
    return f"{what} from {record.module}:{record.lineno}"


def _named(arg: object) -> object:
    return _named_text(arg) if isinstance(arg, BaseException) else arg


def _named_text(told: object) -> str:
    """An error's message may quote what a client sent: its class, and our code, must do."""
    if isinstance(told, VerisimError):
        return f"{type(told).__name__} ({told.code})"
    return type(told).__name__ if isinstance(told, BaseException) else str(told)


def _of_job(line: str) -> str:
    """What may be written of a line that a job's own process has printed; empty for nothing."""
    found = _JOB_LINE.fullmatch(line)
    if found is None:
        error = _ERROR.match(line)
        return f"The job raised {error[1]}" if error else ""
    level, logger, number, message = found.groups()
    if is_ours(logger):
        return without_paths(message)
    return "" if level in ("DEBUG", "INFO") else f"A message of {logger}:{number}"


def _frames(error: BaseException) -> Iterator[str]:
    """Where it came from, outermost first: `module:line`; causes before what they caused."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _frames(cause)
        yield f"({type(cause).__name__})"
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield f"{frame.f_globals.get('__name__', '?')}:{line}"
