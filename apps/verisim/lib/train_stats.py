"""Progress of a fine-tuning in the shape that MONAI Label's clients read from `/info/`."""

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

FILE_NAME = "train_stats.json"
"""As MONAI Label's own training names it."""


@dataclass
class TrainStats:
    """A progress that writes `train_stats.json` once an epoch.

    Args:
        folder: Of the run; the loop writes its `curves.csv` there.
        total_epochs: Looks at the validation cases.
        iterations_per_epoch: Steps between two of them.
    """

    folder: Path
    total_epochs: int
    iterations_per_epoch: int
    start: float = field(default_factory=time.time)

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
        rows = _curves(self.folder / "curves.csv")
        if not rows:
            return {}
        best = max(rows, key=lambda row: float(row["score"]))
        return {
            "epoch": self._epoch(rows[-1]),
            "best_metric": float(best["score"]),
            "train": {"metrics": {"loss": float(rows[-1]["loss"])}},
            "eval": {
                "metrics": {"dice": float(rows[-1]["score"])},
                "key_metric_name": "dice",
                "best_metric": float(best["score"]),
                "best_metric_epoch": self._epoch(best),
            },
        }

    def _epoch(self, row: dict[str, str]) -> int:
        return int(row["iteration"]) // self.iterations_per_epoch

    def _elapsed(self) -> str:
        return str(timedelta(seconds=int(time.time() - self.start)))


def read_stats(folder: Path) -> dict[str, Any]:
    """What the latest run wrote; empty before the first."""
    path = folder / FILE_NAME
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _curves(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
