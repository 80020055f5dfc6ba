"""A steward audits synthetic cases and lets out what passed, with the real server."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import requests
import slicer
from PySide6.QtTest import QTest

from tests.plugin.real_server import PROGRAM, Running
from tests.plugin.stories import LONG, done, fold, key_is_kept_and_forgotten, made, nodes, opened
from tests.slicer_host.acting import picture, press, qt, settle
from tests.slicer_host.window import Host
from VerisimLib.scene import synthetic

NEW, OLD = 77, 0
"""Seeds; the sample cases are those of the second."""


def audited(panel: object, *ticks: object) -> None:
    """Audit the newest cases with some boxes ticked."""
    panel.ui.training.currentText = "known:all"
    panel.ui.heldOut.currentText = "others:all"
    panel.ui.plants.value = 1
    for tick in ticks:
        press(tick)
    assert panel.ui.auditButton.isEnabled(), panel.ui.auditButton.toolTip
    press(panel.ui.auditButton)
    said = done(panel, 280)
    assert panel.audited is not None, said


def side_by_side(host: Host, name: str) -> dict[str, np.ndarray]:
    """What the three views show: a pair of a case, all axial, and linked."""
    found = {}
    for view, part in (("Red", "synthetic"), ("Yellow", "training"), ("Green", "difference")):
        widget = host.layout.sliceWidget(view)
        composite = widget.mrmlSliceCompositeNode()
        (node,) = nodes("ScalarVolume", f"{name} {part}")
        assert composite.GetBackgroundVolumeID() == node.GetID()
        assert (composite.GetLinkedControl(), composite.GetHotLinkedControl()) == (1, 1)
        assert widget.mrmlSliceNode().GetOrientation() == "Axial"
        found[part] = slicer.util.arrayFromVolume(node)
    (display,) = [n.GetDisplayNode() for n in nodes("ScalarVolume", f"{name} difference")]
    assert display.GetWindow() == pytest.approx(np.ptp(found["synthetic"]), rel=1e-3)
    assert np.allclose(found["synthetic"] - found["training"], found["difference"], atol=1e-4)
    return found


def click_row(panel: object, row: int) -> str:
    """A click into the table; the case of the row."""
    table = panel.ui.cases
    index = table.model().index(row, 0)
    place = table.visualRect(index).center()
    QTest.mouseClick(table.viewport(), qt.Qt.LeftButton, qt.Qt.NoModifier, place)
    settle()
    return str(table.mrmlTableNode().GetCellText(row, 0))


def test_new_cases_are_audited_and_released(
    host: Host, server: Running, pictures: Path, tmp_path: Path
) -> None:
    made(host, server, NEW)
    panel = opened(host, server, "VerisimAudit")
    audited(panel, panel.ui.images)
    picture(host.window, pictures / "audit-pass.png")
    assert panel.audited.sentence.startswith("Pass"), panel.audited.sentence
    rows = [click_row(panel, row) for row in (1, 0)]
    first = side_by_side(host, rows[1])
    assert click_row(panel, 1) == rows[0]
    second = side_by_side(host, rows[0])
    assert not np.array_equal(first["synthetic"], second["synthetic"])
    assert not nodes("ScalarVolume", f"{rows[1]} synthetic")
    panel.ui.folder.currentPath = str(tmp_path)
    press(panel.ui.release)
    assert (tmp_path / "released" / "release.json").is_file(), panel.work.ui.message.text
    press(panel.ui.exportReport)
    assert "<h1>" in (tmp_path / "audit.html").read_text()
    press(panel.ui.release)
    assert "not empty" in panel.work.ui.message.text
    press(panel.ui.copyCommand)
    assert slicer.app.clipboard().text() == (
        "verisim audit --train known:all --held-out others:all --synthetic synthetic --plants 1 "
        "-o audit"
    )


def test_copies_are_blocked_and_shown_beside_what_they_copy(
    host: Host, server: Running, pictures: Path, tmp_path: Path
) -> None:
    """The sample cases that play patients are those of seed 0: made again, they are copies."""
    made(host, server, OLD)
    panel = opened(host, server, "VerisimAudit")
    audited(panel, panel.ui.images, panel.ui.standIn)
    picture(host.window, pictures / "audit-block.png")
    assert panel.audited.sentence.startswith("Block")
    assert "of 26 held-out patients" in panel.audited.sentence  # 20, and 6 that stand in
    panel.ui.folder.currentPath = str(tmp_path)
    assert not panel.ui.release.isEnabled()
    name = click_row(panel, 0)
    assert abs(side_by_side(host, name)["difference"]).mean() < 0.5
    assert [node.GetAttribute("Verisim.Audit") for node in synthetic.cases()] == ["block"] * 2
    press(panel.ui.copyCommand)
    text = str(slicer.app.clipboard().text())
    assert text.endswith(" --stand-in -o audit")
    # the program takes every word; the data sets are not in this folder
    ran = subprocess.run(
        [PROGRAM, *shlex.split(text)[1:]], cwd=tmp_path, capture_output=True, text=True
    )
    assert "There is no folder known." in ran.stderr


def test_sets_that_came_meanwhile_are_found(host: Host, server: Running) -> None:
    panel = opened(host, server, "VerisimAudit")
    known = panel.ui.synthetic.count
    jobs = f"{server.address}/jobs"
    asked = {"params": '{"model": "hippocampus-stylegan", "count": 1}'}
    job = requests.post(f"{jobs}/synthesize", data=asked, timeout=5).json()["id"]
    settle(lambda: requests.get(f"{jobs}/{job}", timeout=5).json()["state"] == "done", LONG)
    press(panel.ui.refresh)
    done(panel)
    assert panel.ui.synthetic.count == known + 1
    assert panel.ui.synthetic.itemText(0).startswith("1 of hippocampus-stylegan")
    sets = [panel.ui.training.itemText(k) for k in range(panel.ui.training.count)]
    assert {"known:all", "others:all"} <= set(sets)


def test_choices_come_back_with_the_scene(host: Host, server: Running, tmp_path: Path) -> None:
    ui = opened(host, server, "VerisimAudit").ui
    ui.training.currentText, ui.heldOut.currentText = "others:all", "known:all"
    ui.plants.value = 7
    press(ui.standIn)
    press(ui.images)
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path, {})
    ui.training.currentText, ui.heldOut.currentText = "known:all", "others:all"
    ui.plants.value = 1
    press(ui.standIn)
    press(ui.images)
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(path, {})
    assert (ui.training.currentText, ui.heldOut.currentText) == ("others:all", "known:all")
    assert (ui.plants.value, ui.standIn.checked, ui.images.checked) == (7, True, True)


def test_an_audit_is_cancelled(host: Host, server: Running) -> None:
    made(host, server, NEW, "hippocampus-stylegan")
    panel = opened(host, server, "VerisimAudit")
    panel.ui.training.currentText = "known:all"
    panel.ui.heldOut.currentText = "others:all"
    press(panel.ui.auditButton)
    settle(lambda: panel.work.ui.progress.value > 0, LONG)
    press(panel.work.ui.cancelButton)
    assert done(panel) == "Cancelled; nothing was changed."
    assert panel.audited is None
    jobs = f"{server.address}/jobs"
    settle(lambda: requests.get(jobs, timeout=5).json()["jobs"][0]["state"] == "cancelled", LONG)


def test_boxes_fold_and_unfold(host: Host, server: Running) -> None:
    panel = opened(host, server, "VerisimAudit")
    fold(panel, (panel.ui.setsBox, panel.ui.training), (panel.ui.verdictBox, panel.ui.cases))


def test_a_key_is_kept_while_its_box_is_ticked(host: Host, server: Running) -> None:
    panel = opened(host, server, "VerisimAudit")
    key_is_kept_and_forgotten(panel, "open-sesame")
