"""The host behaves as PythonQt does."""

from __future__ import annotations

import pytest
import qt

from tests.slicer_host import guards, laws
from tests.slicer_host.window import Host


def test_every_law_comes_out_as_told(host_without_views: Host) -> None:
    different = {
        label: found
        for label, statement, wanted in laws.LAWS
        if (found := laws.outcome(statement)) != wanted
    }
    assert different == {}
    guards.expected("has no signal clickedd()")
    guards.expected("has no signal valueChanged(float)")
    assert len(laws.LAWS) > 60


def test_an_exception_in_a_slot_is_noticed(host_without_views: Host) -> None:
    button = qt.QPushButton("Go")
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    guards.expected("ZeroDivisionError")


def test_an_exception_in_a_timer_is_noticed(host_without_views: Host) -> None:
    qt.QTimer.singleShot(0, lambda: [][1])
    host_without_views.app.processEvents()
    guards.expected("IndexError")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: qt.QMessageBox.question(None, "a", "b"),
        lambda: qt.QMessageBox().exec_(),
        lambda: qt.QDialog().exec(),
        lambda: qt.QFileDialog.getOpenFileName(None, "a"),
        lambda: qt.QInputDialog.getText(None, "a", "b"),
    ],
)
def test_a_modal_dialog_raises(host_without_views: Host, ask: object) -> None:
    with pytest.raises(AssertionError, match="wait for a person"):
        ask()
    guards.expected("modal dialog")
