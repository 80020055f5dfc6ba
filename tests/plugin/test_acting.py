"""Waiting and measuring."""

from __future__ import annotations

import time

import pytest
import qt

from tests.slicer_host.acting import measured_gaps, pause, settle, write
from tests.slicer_host.window import Host

BLOCK_S = 0.08


def busy() -> None:
    end = time.thread_time() + BLOCK_S
    while time.thread_time() < end:
        pass


@pytest.mark.parametrize("block", [busy, lambda: time.sleep(BLOCK_S)], ids=["busy", "asleep"])
def test_a_slot_that_blocks_is_measured(host_without_views: Host, block: object) -> None:
    with measured_gaps() as gaps:
        qt.QTimer.singleShot(20, block)
        pause(0.15)
    assert 1000 * BLOCK_S <= gaps.longest_ms < 2000 * BLOCK_S


def test_an_idle_loop_has_no_gaps(host_without_views: Host) -> None:
    with measured_gaps() as gaps:
        pause(0.1)
    assert gaps.longest_ms < 1000 * BLOCK_S


def test_what_never_comes_is_not_waited_for(host_without_views: Host) -> None:
    with pytest.raises(AssertionError, match="not settled"):
        settle(lambda: False, seconds=0.05)


def test_typing_replaces_the_text_and_ends_with_enter(host: Host) -> None:
    edit = qt.QLineEdit("before")
    host.panel.layout().addWidget(edit)
    heard: list[str] = []
    edit.connect("returnPressed()", lambda: heard.append(edit.text))
    settle()
    write(edit, "after ü")
    assert heard == ["after ü"]
