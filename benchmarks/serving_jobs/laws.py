"""What must hold, what was seen, and the table of both."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from verisim.files.atomic import replacing

WIDTH = 160
"""Of a table in a file."""


@dataclass(frozen=True)
class Law:
    """One line of a table.

    Args:
        what: Must hold, or was done.
        seen: What came of it.
        holds: Whether that is right; None where nothing is claimed.
    """

    what: str
    seen: str
    holds: bool | None = None

    @property
    def verdict(self) -> str:
        """For a person."""
        return "–" if self.holds is None else "holds" if self.holds else "FAILS"


def broken(laws: Iterable[Law]) -> list[Law]:
    """Those that do not hold."""
    return [law for law in laws if law.holds is False]


def table(title: str, laws: Sequence[Law], first: str = "what") -> Table:
    """For a person."""
    shown = Table(first, "seen", "law", title=title)
    for law in laws:
        shown.add_row(law.what, law.seen, law.verdict)
    return shown


def present(title: str, laws: Sequence[Law], output: Path | None, first: str = "what") -> int:
    """Print the table, write the file; returns the exit code: 1 if a law is broken.

    Args:
        title: Over the table.
        laws: Its lines.
        output: Receives them as JSON too.
        first: Names the first column.
    """
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=WIDTH)
    console.print(table(title, laws, first))
    if output is not None:
        with replacing(output) as temporary:
            found = {"title": title, "laws": [asdict(law) for law in laws]}
            temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 1 if broken(laws) else 0


def command_line(described: str | None, minutes: float) -> argparse.ArgumentParser:
    """The options that all commands have.

    Args:
        described: Docstring of the command.
        minutes: How long it may take if nothing else is said.
    """
    parser = argparse.ArgumentParser(
        description=described, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", type=Path, help="also write the figures, a JSON file")
    add(
        "--minutes",
        type=float,
        default=minutes,
        help="it ends then, whatever is left [%(default)s]",
    )
    add("--seed", type=int, default=0, help="of what is random [%(default)s]")
    return parser
