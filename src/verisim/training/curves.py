"""The way of a training: one line for every look at the validation cases."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from verisim.files.atomic import replacing

FILE_NAME = "curves.csv"
HEADER = ("iteration", "learning_rate", "loss", "score", "average_score", "seconds")


@dataclass(frozen=True)
class Look:
    """One look at the validation cases.

    Args:
        iteration: Optimizer steps until then.
        learning_rate: Of the next step.
        loss: Mean since the last look.
        score: Validation Dice.
        average_score: Moving average of the scores, which chooses the best weights.
        seconds: Wall time of all parts of the run.
    """

    iteration: int
    learning_rate: float
    loss: float
    score: float
    average_score: float
    seconds: float

    @property
    def row(self) -> tuple[str, ...]:
        """As the file shows it."""
        return (
            str(self.iteration),
            f"{self.learning_rate:.3e}",
            f"{self.loss:.6f}",
            f"{self.score:.6f}",
            f"{self.average_score:.6f}",
            f"{self.seconds:.1f}",
        )


def add_line(folder: Path, look: Look) -> None:
    """Write the curves with one more line; lines of a lost part of the run are dropped."""
    path = folder / FILE_NAME
    kept = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        kept = [row for row in rows if int(row[0]) < look.iteration]
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *kept, look.row])
