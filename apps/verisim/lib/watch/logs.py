"""The server's log: on its standard error, and in the file that `/logs/` shows."""

from __future__ import annotations

import logging
import os
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TextIO

import SimpleITK as sitk

from lib.watch.lines import JsonLines, TextLines, worth_a_line
from verisim.errors import BadInput

FORMATS = ("auto", "json", "text")
LOG_FILE = Path("logs", "app.log")
"""In the folder of the app: what MONAI Label's `/logs/` shows."""

MOST_BYTES = 10_485_760

logger = logging.getLogger(__name__)


def check_format(wanted: str) -> str:
    """The name of a log format.

    Raises:
        BadInput: There is none of that name.
    """
    if wanted not in FORMATS:
        raise BadInput(
            f"--conf log_format is {wanted!r}.", f"Choose one of: {', '.join(FORMATS)}."
        )
    return wanted


def write_logs(wanted: str, file: Path) -> None:
    """Let every logger of the process write our lines, and nothing else write any.

    Args:
        wanted: `json`, `text`, or `auto`: text for a terminal, JSON elsewhere.
        file: Receives the same lines; it is rotated.
    """
    _forget_other_handlers()
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(_formatted(logging.StreamHandler(sys.stderr), wanted, sys.stderr.isatty()))
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = RotatingFileHandler(file, maxBytes=MOST_BYTES, backupCount=10, encoding="utf-8")
    root.addHandler(_formatted(kept, wanted, False))
    _catch_what_is_printed()


def _formatted(handler: logging.Handler, wanted: str, terminal: bool) -> logging.Handler:
    text = wanted == "text" or (wanted == "auto" and terminal)
    handler.setFormatter(TextLines() if text else JsonLines())
    handler.addFilter(worth_a_line)
    return handler


def _forget_other_handlers() -> None:
    """Libraries write to the terminal by handlers of their own."""
    named = [log for log in logging.root.manager.loggerDict.values() if _is_logger(log)]
    for log in [logging.root, *named]:
        assert isinstance(log, logging.Logger)
        for handler in list(log.handlers):
            if isinstance(handler, logging.StreamHandler):
                log.removeHandler(handler)
                if isinstance(handler, logging.FileHandler):
                    handler.close()
        log.propagate = log.name != "uvicorn.access"  # its lines hold addresses: ours do not


def _is_logger(entry: object) -> bool:
    return isinstance(entry, logging.Logger)


def _catch_what_is_printed() -> None:
    """What is printed around the log could name files, and would be no line of it."""
    logging.captureWarnings(True)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    sys.excepthook = _uncaught
    threading.excepthook = lambda hook: logger.error(
        "A thread ended by an error", exc_info=hook.exc_value
    )
    sys.unraisablehook = lambda hook: logger.error(
        "An error could not be raised", exc_info=hook.exc_value
    )
    sys.stdout = _nowhere()


def _uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logger.critical("The server ended by an error", exc_info=(kind, error, trace))


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w")
