"""The gate on the command line: let out, verified, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.apps.running import a_generator_card, untrained
from tests.audit.released import a_report_on, a_set
from tests.cli.conftest import Command, write_dataset
from verisim.audit.findings import Word


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return a_set(tmp_path / "made", untrained(a_generator_card(), tmp_path / "models"), 3)


def audited(made: Path, word: Word = "pass") -> Path:
    """The folder of an audit; the first case is flagged unless the set passed."""
    folder = made.parent / f"audit-{word}"
    a_report_on(made, {} if word == "pass" else {0: word}, word).write(folder)
    return folder


def test_what_is_let_out_is_verified_and_a_changed_byte_is_told(
    verisim: Command, made: Path, output: Path
) -> None:
    out = output / "out"
    run = verisim("release", audited(made, "quarantine"), "--synthetic", made, "-o", out, "--json")
    assert run.code == 0, run.err
    assert (len(run.facts["cases"]), len(run.facts["withheld"])) == (2, 1)
    found = verisim("verify", out, "--json")
    assert found.code == 0
    assert found.facts["holds"] is True
    assert found.facts["cases"] == run.facts["cases"]
    said = verisim("verify", out)
    assert "every certificate holds" in said.out
    label = sorted((out / "labelsTr").iterdir())[0]
    label.write_bytes(label.read_bytes()[:-1] + b"\0\0")
    changed = verisim("verify", out)
    assert changed.code == 1
    assert "was changed" in changed.out
    told = verisim("verify", out, "--json")
    assert told.code == 1
    assert {"file": f"labelsTr/{label.name}", "problem": "was changed"} in told.facts["flaws"]


def test_a_blocked_set_stays(verisim: Command, made: Path, output: Path) -> None:
    audit = audited(made, "block")
    asked = ("release", audit, "--synthetic", made, "-o", output / "out", "--json")
    run = verisim(*asked)
    assert run.code == 2
    assert run.facts["error"]["code"] == "unreleased"
    assert not (output / "out").exists()
    assert verisim(*asked, "--rest").code == 0
    assert verisim("verify", output / "out").code == 0


@pytest.mark.parametrize("command", ["release", "verify"])
def test_bad_input_is_refused(command: str, verisim: Command, made: Path, output: Path) -> None:
    nowhere = output / "nowhere"
    more = ("--synthetic", made, "-o", output / "out") if command == "release" else ()
    run = verisim(command, nowhere, *more, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "not_found"
    (output / "report.json").write_text("{}")
    if command == "release":
        broken = verisim(command, output, *more, "--json")
        assert (broken.code, broken.facts["error"]["code"]) == (2, "bad_input")


def test_a_folder_that_no_audit_let_out_fails(verisim: Command, made: Path) -> None:
    run = verisim("verify", made)
    assert run.code == 1
    assert "no audit let this out" in run.out


def test_training_on_what_no_audit_let_out_is_noted(
    verisim: Command, made: Path, output: Path, tmp_path: Path
) -> None:
    def trained(folder: Path) -> str:
        run = verisim(
            *("train", folder, "--name", "a-b", "--iterations", 1, "--models", output / "models"),
            *("--train-split", "absent"),  # it ends before anything is learned
        )
        assert run.code == 2
        return " ".join(run.err.split())

    assert "3 of 3 cases are synthetic, and no audit has let them out" in trained(made)
    verisim("release", audited(made), "--synthetic", made, "-o", output / "out")
    assert "no audit" not in trained(output / "out")
    assert "no audit" not in trained(write_dataset(tmp_path / "real"))
    described = output / "out" / "dataset.json"
    assert json.loads(described.read_text())["released"] is True
