"""`verisim key`: a new key for somebody who may use the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from verisim.cli.options import AsJson
from verisim.cli.terminal import Terminal
from verisim.keys import append_key, new_key


def key(
    name: Annotated[str, typer.Argument(help="Who will use it; stands beside what they change.")],
    role: Annotated[str, typer.Option(help="reader, annotator or admin.")] = "reader",
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="File that the line is added to. [the line is printed]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for the server; it is shown once, the file of keys holds only its hash."""
    word, entry = new_key(name, role)
    facts = {"name": entry.name, "role": entry.role.word, "key": word, "line": entry.line}
    terminal = Terminal(as_json)
    if keys is None:
        terminal.answer(facts, word, entry.line)
        terminal.note("The key is shown only now; put the second line into the file of keys.")
        return
    append_key(keys, entry)
    terminal.answer(facts, word)
    terminal.note(f"The key is shown only now; its hash is in {keys}.")
