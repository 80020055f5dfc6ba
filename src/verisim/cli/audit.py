"""`verisim audit`: whether synthetic cases copy training patients."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from verisim.cli.options import USER_MODELS, AsJson, Device, Models, SubjectPattern, SubjectTable
from verisim.cli.terminal import PERCENT, Terminal

if TYPE_CHECKING:
    from verisim.audit.folder_audit import FolderAudit
    from verisim.audit.report import AuditReport

EXIT_CODES = {"pass": 0, "quarantine": 3, "block": 4}
"""What a script sees; 2 is a mistake of the person."""

WORK = "work"
"""Folder of finished scores within the report's; it goes when the audit ends."""

SHOWN = 5
"""Cases in the table."""


def audit(
    train: Annotated[
        str, typer.Option(help="All that the generator learned from: DATASET or DATASET:SPLIT.")
    ],
    held_out: Annotated[
        str,
        typer.Option(help="Cases of 19 other patients or more of the same source, as above."),
    ],
    synthetic: Annotated[Path, typer.Option(help="Folder of the cases to audit.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the report.")],
    generator: Annotated[
        str, typer.Option(help="The model that made them: its losses are tested, too.")
    ] = "",
    level: Annotated[float, typer.Option(help="Nominal share of false alarms.")] = 0.05,
    plants: Annotated[int, typer.Option(help="Copies of each kind that are planted.")] = 12,
    seed: Annotated[int, typer.Option(help="Decides every random choice.")] = 0,
    images: Annotated[
        bool,
        typer.Option(
            "--images/--no-images",
            help="Show the closest pairs, training images among them, on the page.",
        ),
    ] = True,
    subject_pattern: SubjectPattern = "",
    subject_table: SubjectTable = None,
    synthetic_pattern: Annotated[
        str, typer.Option(help="As --subject-pattern: which synthetic slices are one volume.")
    ] = "",
    stratum_pattern: Annotated[
        str,
        typer.Option(
            help="Regular expression on a case's name; its first group is the kind of case, or "
            "its slice position with --stratum-parts."
        ),
    ] = "",
    stratum_parts: Annotated[
        int, typer.Option(min=0, help="Into how many ranges slice positions are cut.")
    ] = 0,
    stratum_table: Annotated[
        Path | None, typer.Option(help="CSV file with the columns case and stratum.")
    ] = None,
    stand_in: Annotated[
        bool,
        typer.Option(
            "--stand-in",
            help="Let training patients, each beside the others, count among the held-out ones, "
            "where these are few.",
        ),
    ] = False,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help="A network to ask besides, from local weights: sscd=FILE or dreamsim=FOLDER; or "
            "own, which learns from the training cases. May be given several times."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes of this machine that compare cases.")
    ] = 1,
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler, whose machines compare cases.")
    ] = "",
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Say whether synthetic cases copy training patients, before they are shared.

    Every case is compared with all training cases in several ways, as held-out patients are;
    copies are planted to see which kinds would be found. Exit code 0: pass; 3: some cases are
    withheld; 4: blocked.
    """
    from verisim.audit.backends import backend_of
    from verisim.audit.folder_audit import FolderAudit, Source
    from verisim.audit.strata import StratumRule
    from verisim.audit.verdicts import Policy
    from verisim.devices import choose
    from verisim.installed import SHIPPED_MODELS, find_card

    terminal = Terminal(as_json)
    known, real = (
        Source(folder, split, subject_pattern, subject_table)
        for folder, split in (_place(train), _place(held_out))
    )
    where = choose(device)
    asked = FolderAudit(
        training=known,
        held_out=real,
        synthetic=Source(synthetic, subject_pattern=synthetic_pattern),
        strata=StratumRule(stratum_table, stratum_pattern, stratum_parts),
        policy=Policy(level=level, plants=plants),
        seed=seed,
        generator=find_card(generator, SHIPPED_MODELS, models) if generator else None,
        device=where,
        work=output / WORK,
        stand_in=stand_in,
        further=[backend_of(said, where, seed) for said in backend or ()],
    )
    report = _run(asked, output, images, workers, scheduler, terminal)
    withheld = [
        f"withhold {case.name}" + (f", as {case.withheld_with}" if case.withheld_with else "")
        for case in report.flagged
    ]
    terminal.answer(
        report,
        _summary(report),
        *_tables(report),
        report.sentence,
        *withheld,
        f"report in {output}",
    )
    raise typer.Exit(EXIT_CODES[report.word])


def _run(
    asked: FolderAudit,
    output: Path,
    images: bool,
    workers: int,
    scheduler: str,
    terminal: Terminal,
) -> AuditReport:
    from verisim.audit.gallery import closest_pairs
    from verisim.audit.page import write_page
    from verisim.audit.workers import comparing_on

    with (
        terminal.warnings_as_notes(),
        terminal.progress("audit", PERCENT) as progress,
        comparing_on(workers, scheduler) as executor,
    ):
        audited = asked(progress, executor)
    pairs = closest_pairs(audited.report, audited.training, audited.synthetic) if images else ()
    write_page(output, audited.report, pairs)
    audited.report.write(output)
    shutil.rmtree(output / WORK, ignore_errors=True)
    return audited.report


def _place(said: str) -> tuple[Path, str]:
    """Folder and split of DATASET or DATASET:SPLIT."""
    folder, colon, split = said.rpartition(":")
    if not colon or Path(said).is_dir() or "/" in split:
        return Path(said), "all"
    return Path(folder), split


def _summary(report: AuditReport) -> Table:
    table = Table("set", "cases", "patients", title=f"Audit of {report.synthetic.name}")
    for one in (report.training, report.held_out, report.synthetic):
        table.add_row(one.name, str(one.cases), str(one.patients))
    return table


def _tables(report: AuditReport) -> tuple[Table, Table]:
    closest = Table("case", "score", "p", "q", "seen by", "training case", "verdict")
    for case in report.cases[:SHOWN]:
        closest.add_row(
            case.name,
            f"{case.score:.2f}",
            f"{case.p:.3f}",
            f"{case.q:.3f}",
            case.measure,
            case.sight.nearest,
            case.word,
        )
    planted = Table("planted copies", "found", "95 % interval", "beyond chance", "")
    for one in report.recalls:
        planted.add_row(
            one.kind,
            f"{one.found} of {one.planted}",
            f"{one.low:.0%}-{one.high:.0%}",
            f"{one.blocked}",
            "blind spot" if one.blind else "",
        )
    return closest, planted
