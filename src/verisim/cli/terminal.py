"""What a person, or a program with --json, reads."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from verisim.errors import VerisimWarning

PERCENT = "{task.percentage:>3.0f} %"
COUNT = "{task.completed}/{task.total}"
"""What stands behind a bar."""


class Terminal:
    """Answers go to standard output, everything else to standard error.

    Args:
        as_json: The answer is one JSON object, and nothing else.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console()
        self._err = Console(stderr=True)

    def answer(self, facts: object, *shown: RenderableType) -> None:
        """Print the facts as JSON, or what a person wants to see of them."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(facts), allow_nan=False) + "\n")
        else:
            for part in shown:
                # lines keep their length: a path that is broken in two cannot be copied
                self._out.print(
                    part, markup=False, highlight=False, soft_wrap=isinstance(part, str)
                )

    def refuse(self, code: str, message: str, remedy: str) -> None:
        """Say what was wrong and how to mend it."""
        if self.as_json:
            error = {"code": code, "message": message, "remedy": remedy}
            sys.stdout.write(json.dumps({"error": error}) + "\n")
        self._err.print(f"[bold red]error[/] [dim]{code}[/] ", end="")
        self._say(message)
        if remedy:
            self._say(remedy)

    def note(self, text: str) -> None:
        """A warning, or a line about what is going on."""
        self._say(text, style="yellow")

    @contextmanager
    def warnings_as_notes(self) -> Iterator[None]:
        """What readers say about files is noted; warnings of third parties are not."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", VerisimWarning)
            warnings.showwarning = lambda message, *where: self.note(str(message))
            yield

    @contextmanager
    def progress(self, title: str, amount: str = PERCENT) -> Iterator[BarProgress]:
        """A bar on standard error while the block runs.

        Args:
            title: Stands before the bar.
            amount: PERCENT or COUNT.
        """
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(amount),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[message]}", markup=False),
        )
        shown = self._err.is_terminal  # a log file needs no bar
        with Bar(*columns, console=self._err, transient=True, disable=not shown) as bar:
            yield BarProgress(bar, title)

    def _say(self, text: str, style: str | None = None) -> None:
        self._err.print(text, markup=False, highlight=False, soft_wrap=True, style=style)


class BarProgress:
    """Progress drawn as a bar.

    Args:
        bar: Of rich.
        title: Stands before the bar.
    """

    def __init__(self, bar: Bar, title: str) -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=None, message="")

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Draw how far it is."""
        self._bar.update(self._task, completed=done, total=total, message=message)


def plain(facts: object) -> object:
    """Facts as JSON knows them: dataclasses as objects, NaN and infinity as null."""
    if dataclasses.is_dataclass(facts) and not isinstance(facts, type):
        fields = dataclasses.fields(facts)
        return {field.name: plain(getattr(facts, field.name)) for field in fields}
    if isinstance(facts, Mapping):
        return {str(key): plain(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple | frozenset):
        return [plain(value) for value in facts]
    if isinstance(facts, Path):
        return str(facts)
    return None if isinstance(facts, float) and not math.isfinite(facts) else facts
