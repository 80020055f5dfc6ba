"""What must hold, and the table of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving_jobs.faults.scene import Tally
from serving_jobs.laws import Law, broken, present

LAWS = [Law("none lost", "3 of 3", True), Law("told", "something")]


def test_laws_that_hold_end_with_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "table.json"
    assert present("Jobs", LAWS, output) == 0
    assert "none lost" in capsys.readouterr().out
    found = json.loads(output.read_text())
    assert found["laws"][0] == {"what": "none lost", "seen": "3 of 3", "holds": True}
    assert found["laws"][1]["holds"] is None


def test_one_broken_law_ends_with_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    laws = [*LAWS, Law("flat", "it grew", False)]
    assert present("Jobs", laws, None) == 1
    assert "FAILS" in capsys.readouterr().out
    assert [law.what for law in broken(laws)] == ["flat"]


def test_a_tally_counts_what_a_fault_led_to() -> None:
    tally = Tally("a kill", "a job ran")
    for right in (True, True, True):
        tally.check(right, "done", "lost")
    assert tally.law() == Law("a kill, while a job ran", "3× done", True)


def test_a_tally_with_one_wrong_thing_breaks_the_law() -> None:
    tally = Tally("a kill", "a job ran")
    tally.check(True, "done", "lost")
    tally.check(False, "done", "lost")
    assert tally.law() == Law("a kill, while a job ran", "done; WRONG: lost", False)
