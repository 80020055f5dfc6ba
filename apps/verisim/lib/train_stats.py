"""Progress of a training in the shape that MONAI Label's clients read from `/info/`."""

from __future__ import annotations

import csv
import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from verisim.errors import VerisimError
from verisim.files.atomic import replacing
from verisim.training.schedule import Schedule

FILE_NAME = "train_stats.json"
"""As MONAI Label's own training names it."""


@dataclass(frozen=True)
class _Look:
    """One look at the validation cases.

    Args:
        epoch: Counted over all networks of the training.
        loss: Since the last look.
        score: Validation Dice.
        average: What chooses the best weights.
    """

    epoch: int
    loss: float
    score: float
    average: float


@dataclass
class TrainStats:
    """A progress that writes `train_stats.json` once an epoch.

    Args:
        folder: Of the run; the loop writes its `curves.csv` there, or, where several networks are
            trained, into a folder for each.
        total_epochs: Looks at the validation cases; 0 while that is not planned yet.
        iterations_per_epoch: Steps between two of them.
    """

    folder: Path
    total_epochs: int = 0
    iterations_per_epoch: int = 1
    start: float = field(default_factory=time.time)

    def planned(self, schedule: Schedule, networks: int) -> None:
        """Hear how long the training will be."""
        self.iterations_per_epoch = schedule.validate_every
        self.total_epochs = networks * -(-schedule.iterations // schedule.validate_every)

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Write what the curves say, at the end of each epoch."""
        if done % self.iterations_per_epoch == 0:
            self._write({"current_time": self._elapsed()})

    def finished(self, answer: dict[str, Any]) -> None:
        """Write the answer of a training that came to its end."""
        self._write({"total_time": self._elapsed(), "answer": answer})

    def failed(self, error: VerisimError) -> None:
        """Write why there is no answer."""
        reason = {"code": error.code, "message": error.message, "remedy": error.remedy}
        self._write({"total_time": self._elapsed(), "error": reason})

    def _write(self, more: dict[str, Any]) -> None:
        stats = {
            "epoch": 0,
            "total_epochs": self.total_epochs,
            "start_ts": int(self.start),
            **self._validated(),
            **more,
        }
        with replacing(self.folder / FILE_NAME) as temporary:
            temporary.write_text(json.dumps(stats, indent=2), encoding="utf-8")

    def _validated(self) -> dict[str, Any]:
        """What is known after the first look at the validation cases."""
        looks = self._looks()
        if not looks:
            return {}
        best = max(looks, key=lambda look: look.average)
        return {
            "epoch": looks[-1].epoch,
            "best_metric": best.score,
            "train": {"metrics": {"loss": looks[-1].loss}},
            "eval": {
                "metrics": {"dice": looks[-1].score},
                "key_metric_name": "dice",
                "best_metric": best.score,
                "best_metric_epoch": best.epoch,
            },
        }

    def _looks(self) -> list[_Look]:
        """Of all networks that were trained until now, one after the other."""
        own = self.folder / "curves.csv"
        paths = [own] if own.is_file() else sorted(self.folder.glob("*/curves.csv"))
        looks: list[_Look] = []
        for path in paths:
            before = looks[-1].epoch if looks else 0
            looks += [self._look(row, before) for row in _rows(path)]
        return looks

    def _look(self, row: dict[str, str], before: int) -> _Look:
        # the last epoch may be a shorter one
        epoch = before + -(-int(row["iteration"]) // self.iterations_per_epoch)
        score = float(row["score"])
        average = float(row.get("average_score") or score)
        return _Look(epoch, float(row["loss"]), score, average)

    def _elapsed(self) -> str:
        return str(timedelta(seconds=int(time.time() - self.start)))


def read_stats(folder: Path) -> dict[str, Any]:
    """What the latest run wrote; empty before the first."""
    path = folder / FILE_NAME
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
