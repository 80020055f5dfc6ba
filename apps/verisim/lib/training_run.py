"""What every training on the server does around the learning itself."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.train_stats import TrainStats
from verisim.errors import StorageFailed, VerisimError
from verisim.jobs.training import sparing_a_core

logger = logging.getLogger(__name__)


def recorded(stats: TrainStats, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do a training in an empty folder, and keep its answer, or why there is none.

    Args:
        stats: Of this training; their folder is emptied first.
        work: The training; its answer has a `message`.

    Raises:
        VerisimError: What the training raised.
    """
    _empty(stats.folder)
    try:
        with sparing_a_core():
            answer = work()
    except VerisimError as error:
        stats.failed(error)
        raise
    for checkpoint in stats.folder.rglob("checkpoint.pt"):
        checkpoint.unlink()
    stats.finished(answer)
    logger.info(answer["message"])
    return answer


def _empty(folder: Path) -> None:
    """An earlier run learned from other labels, so nothing of it is continued."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageFailed(
            f"{folder} cannot be made: {error.strerror}.",
            "Start the server with --conf models FOLDER, a folder that it may write to.",
        ) from error
