"""What a person, or a program with --json, reads."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Terminal:
    """Answers go to standard output, everything else to standard error.

    Args:
        as_json: The answer is one JSON object, and nothing else.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._out = Console()
        self._err = Console(stderr=True)

    def answer(self, facts: object, shown: RenderableType) -> None:
        """Print the facts as JSON, or what a person wants to see of them."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(facts), allow_nan=False) + "\n")
        else:
            self._out.print(shown)

    def refuse(self, code: str, message: str, remedy: str) -> None:
        """Say what was wrong and how to mend it."""
        if self.as_json:
            error = {"code": code, "message": message, "remedy": remedy}
            sys.stdout.write(json.dumps({"error": error}) + "\n")
        self._err.print(f"[bold red]error[/] [dim]{code}[/] ", end="")
        self._err.print(message, markup=False, highlight=False)
        if remedy:
            self._err.print(remedy, markup=False, highlight=False)

    def note(self, text: str) -> None:
        """A warning, or a line about what is going on."""
        self._err.print(text, markup=False, highlight=False, style="yellow")

    @contextmanager
    def progress(self, title: str) -> Iterator[BarProgress]:
        """A bar on standard error while the block runs."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[message]}"),
        )
        with Bar(*columns, console=self._err, transient=True) as bar:
            yield BarProgress(bar, title)


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
