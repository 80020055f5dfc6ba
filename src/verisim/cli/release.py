"""`verisim release` and `verisim verify`: what an audit lets out, and whether it is still that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import AsJson
from verisim.cli.terminal import COUNT, Terminal

if TYPE_CHECKING:
    from verisim.audit.verification import Verification

FAILED = 1
"""Exit code of a folder that is not what an audit let out."""


def release(
    audit: Annotated[Path, typer.Argument(help="What `verisim audit` wrote, or its report.json.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder of what may leave.")],
    synthetic: Annotated[
        Path, typer.Option(help="Folder of the synthetic cases that were audited.")
    ],
    rest: Annotated[
        bool,
        typer.Option(
            "--rest",
            help="Of a set that is blocked, let out the cases that passed all the same; their "
            "certificates say so.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the synthetic cases that passed an audit, each with its certificate.

    What was flagged stays. The report goes along without the names of real cases. Whoever gets
    the folder can check it with `verisim verify`.
    """
    from verisim.audit.release import release as run

    terminal = Terminal(as_json)
    with terminal.progress("release", COUNT) as progress:
        released = run(audit, synthetic, output, rest, progress)
    lines = [f"{len(released.cases)} cases with certificates in {output}"]
    lines += [f"withheld {name}" for name in released.withheld]
    terminal.answer(released, *lines)


def verify(
    folder: Annotated[Path, typer.Argument(help="What `verisim release` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Check that every file of a released folder is one that an audit let out, byte by byte.

    Exit code 1 if anything was changed, added or taken away.
    """
    from verisim.audit.verification import verify as run

    terminal = Terminal(as_json)
    found = run(folder)
    if found.holds:
        said = f"{len(found.cases)} cases, {found.files} files: every certificate holds."
        terminal.answer({**_facts(found), "holds": True}, said)
        return
    terminal.answer({**_facts(found), "holds": False}, _table(found, folder))
    raise typer.Exit(FAILED)


def _facts(found: Verification) -> dict[str, object]:
    return {"cases": found.cases, "files": found.files, "flaws": found.flaws}


def _table(found: Verification, folder: Path) -> Table:
    table = Table(
        "file",
        "problem",
        title=f"{folder} is not what an audit let out",
        caption=f"{len(found.cases)} cases still hold",
    )
    for flaw in found.flaws:
        table.add_row(flaw.file, flaw.problem)
    return table
