"""The panel that audits: whether synthetic cases copy patients, and what may leave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from VerisimLib import repeat
from VerisimLib.answers import Dataset, Synthesis
from VerisimLib.background import Job
from VerisimLib.cases import pairs, unpack_into
from VerisimLib.nrrd import Grid
from VerisimLib.panels.choices import Choices
from VerisimLib.panels.panel import Panel, fill, hint_whole_words, show_chart, show_table, told
from VerisimLib.parameters import AuditChoices
from VerisimLib.problems import Rejected
from VerisimLib.scene import origin, synthetic, tables
from VerisimLib.scene import pairs as pairs_shown
from VerisimLib.state import audit_block, scores_of, verdict_rows

HEADS = ("case", "verdict", "score", "p", "q", "nearest training case")


@dataclass(frozen=True, eq=False)
class Audited:
    """What an audit left.

    Args:
        sentence: The verdict.
        report: For programs.
        page: For people (HTML).
        pairs: The closest pairs, first the closest; none unless images were wanted.
        released: The cases that passed with their certificates (ZIP); empty: none may leave.
        asked: What was asked.
    """

    sentence: str
    report: Mapping[str, Any]
    page: bytes
    pairs: tuple[Mapping[str, Grid], ...]
    released: bytes
    asked: Mapping[str, Any]


class AuditPanel(Panel):
    """See the module."""

    UI = "Audit"

    def kept(self) -> Choices:
        """Sets and ticks."""
        return Choices("VerisimAudit", self.ui, AuditChoices)

    def set_up(self) -> None:
        """Connect the widgets."""
        ui = self.ui
        self.audited: Audited | None = None
        self.table: Any = None
        self.jobs: tuple[Synthesis, ...] = ()
        self.datasets: tuple[Dataset, ...] = ()
        ui.auditButton.connect("clicked()", self.audit)
        ui.refresh.connect("clicked()", self.look_up)
        ui.release.connect("clicked()", self.release)
        ui.exportReport.connect("clicked()", self.export)
        ui.copyCommand.connect("clicked()", lambda: self.copy(origin.of(self.table)))
        ui.cases.connect("clicked(QModelIndex)", self._clicked)
        hint_whole_words(ui.cases)
        ui.folder.connect("currentPathChanged(QString)", self._refreshed)
        for combo in (ui.synthetic, ui.training, ui.heldOut):
            combo.connect("currentIndexChanged(int)", self._refreshed)

    def connected(self, address: object, info: object) -> None:
        """A server has answered: what can be audited there?"""
        super().connected(address, info)
        if info.verisim:
            self.look_up()

    def look_up(self) -> None:
        """Ask the server for its jobs and data sets."""

        def ask(job: Job) -> tuple[tuple[Synthesis, ...], tuple[Dataset, ...]]:
            server = self.server(job)
            return server.syntheses(), server.datasets()

        self.work.begin(ask, self._found)

    def _found(self, found: tuple[tuple[Synthesis, ...], tuple[Dataset, ...]]) -> None:
        self.jobs, self.datasets = found
        if not self.datasets:
            self.work.say(
                _(
                    "The server names no data sets: "
                    "its admin starts it with --conf datasets=FOLDER."
                )
            )

    def audit(self) -> None:
        """Ask whether the chosen cases copy patients."""
        self.choices.keep()
        asked = {
            "training": self.ui.training.currentText,
            "held_out": self.ui.heldOut.currentText,
            "synthesis": self._synthesis,
            "plants": int(self.ui.plants.value),
            "stand_in": bool(self.ui.standIn.checked),
            "images": bool(self.ui.images.checked),
        }

        def ask(job: Job) -> Audited:
            server, show = self.server(job), told(job)
            ended = server.wait(server.audit(asked), show)
            files = {one.name: server.fetch(one.url, show) for one in ended.files}
            return Audited(
                str(ended.answer.get("sentence", "")),
                json.loads(files["report.json"]),
                files["report.html"],
                pairs(files["pairs.zip"]) if "pairs.zip" in files else (),
                files.get("released.zip", b""),
                asked,
            )

        self.work.begin(ask, self._show)

    def _show(self, audited: Audited) -> None:
        self.audited = audited
        self.ui.verdict.text = audited.sentence
        rows = verdict_rows(audited.report)
        self.table = tables.table("Verisim audit", HEADS, rows)
        version = self.info.version if self.info else ""
        origin.keep(self.table, repeat.origin("audit", "", 0, audited.asked, version))
        show_table(self.ui.cases, self.table)
        chart = tables.scores_plot(_("Nearest-training scores"), *scores_of(audited.report))
        show_chart(self.ui.scores, chart, "VerisimAudit")
        synthetic.judged(str(audited.asked["synthesis"]), {row[0]: row[1] for row in rows})
        if audited.pairs:
            self.compare(0)

    def compare(self, row: int) -> None:
        """Show the case of a row, its nearest training neighbour and their difference."""
        if self.audited is None:
            return
        if row >= len(self.audited.pairs):
            self.work.say(
                _("The training images were not asked for; tick the box and audit again.")
                if not self.audited.pairs
                else _("Only the closest pairs are sent.")
            )
            return
        rows = verdict_rows(self.audited.report)
        pairs_shown.shown(self.audited.pairs[row], rows[row][0])
        self.work.say(_("{case} beside {other}.").format(case=rows[row][0], other=rows[row][5]))

    def release(self) -> None:
        """Write the cases that passed, each with its certificate."""
        folder = Path(self.ui.folder.currentPath) / "released"

        def write() -> None:
            count = unpack_into(self.audited.released, folder)
            self.work.say(_("{count} files are in {folder}.").format(count=count, folder=folder))

        self.work.attempt(write)

    def export(self) -> None:
        """Save the report as one page."""
        path = Path(self.ui.folder.currentPath) / "audit.html"

        def write() -> None:
            try:
                path.write_bytes(self.audited.page)
            except OSError as error:
                raise Rejected(f"{path} cannot be written.", "Choose another folder.") from error
            self.work.say(_("The report is {path}.").format(path=path))

        self.work.attempt(write)

    def refresh(self) -> None:
        """Allow what can be done now."""
        ui = self.ui
        fill(ui.synthetic, [one.title for one in self.jobs])
        named = [f"{one.name}:{split}" for one in self.datasets for split, _count in one.splits]
        plain = [one.name for one in self.datasets if not one.splits]
        fill(ui.training, named + plain)
        fill(ui.heldOut, named + plain)
        self.choices.grant()
        chosen = {
            "synthetic cases": self._synthesis,
            "training set": ui.training.currentText,
            "held-out set": ui.heldOut.currentText,
        }
        reason = audit_block(self.info, self.work.busy, chosen)
        ui.auditButton.setEnabled(not reason)
        ui.auditButton.toolTip = reason or _("Says whether these cases copy training patients.")
        ui.refresh.setEnabled(bool(self.info is not None and not self.work.busy))
        placed = bool(self.audited is not None and ui.folder.currentPath)
        ui.release.setEnabled(bool(placed and self.audited.released))
        ui.exportReport.setEnabled(placed)
        ui.copyCommand.setEnabled(self.audited is not None)

    def scene_closed(self) -> None:
        """All nodes are gone."""
        self.table = None
        super().scene_closed()

    @property
    def _synthesis(self) -> str:
        title = self.ui.synthetic.currentText
        return next((one.job for one in self.jobs if one.title == title), "")

    def _clicked(self, index: qt.QModelIndex) -> None:
        self.compare(int(index.row()))

    def _refreshed(self, _what: object = None) -> None:
        self.refresh()
