"""`verisim audit`: exit codes, the report's folder, refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.audit.networks import eyes
from tests.audit.sets import Pearson
from tests.audit.test_folder_audit import write_slices
from tests.cli.conftest import Command
from verisim.audit.report import read_report


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence[object]:
    """A command with small folders and one fast measure."""
    monkeypatch.setattr(
        "verisim.audit.folder_audit.default_measures", lambda **asked: (Pearson(),)
    )
    known = write_slices(tmp_path / "known", "t", 25, 2, 0)
    others = write_slices(tmp_path / "others", "h", 20, 2, 1)
    made = write_slices(tmp_path / "made", "s", 12, 1, 2)
    pattern = ("--subject-pattern", r"(\w+)-\d+")
    sets = ("--train", known, "--held-out", f"{others}:all", "--synthetic", made)
    return ("audit", *sets, *pattern, "--plants", 2)


def test_new_cases_pass_and_a_report_is_written(
    verisim: Command, words: Sequence[object], tmp_path: Path
) -> None:
    out = tmp_path / "report"
    run = verisim(*words, "-o", out, "--json")
    assert run.code == 0, run.err
    assert run.facts["word"] == "pass"
    assert read_report(out).sentence == run.facts["sentence"]
    assert {path.name for path in out.iterdir()} == {"report.json", "report.html"}


def test_a_copy_blocks_and_is_said(
    verisim: Command, words: Sequence[object], tmp_path: Path
) -> None:
    picture = tmp_path / "known" / "t_3-0.png"
    (tmp_path / "made" / "s_99-0.png").write_bytes(picture.read_bytes())
    run = verisim(*words, "-o", tmp_path / "report", "--no-images")
    assert run.code == 4
    assert "withhold s_99-0" in run.out
    assert "Block: 1 of 13" in run.out
    page = (tmp_path / "report" / "report.html").read_text()
    assert "data:image" not in page


def test_processes_give_the_identical_report(
    verisim: Command, words: Sequence[object], tmp_path: Path
) -> None:
    once = verisim(*words, "-o", tmp_path / "one", "--json")
    spread = verisim(*words, "-o", tmp_path / "two", "--json", "--workers", 2)
    assert spread.code == 0, spread.err
    assert once.facts == spread.facts


def test_shared_patients_and_a_missing_folder_are_refused(
    verisim: Command, words: Sequence[object], tmp_path: Path
) -> None:
    run = verisim(*words, "--held-out", tmp_path / "known", "-o", tmp_path / "r", "--json")
    assert run.code == 2
    assert "both in training and in held out" in run.facts["error"]["message"]
    run = verisim(*words, "--synthetic", tmp_path / "none", "-o", tmp_path / "r", "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "not_found"
    assert not (tmp_path / "r").exists()


def test_too_few_held_out_patients_are_refused_with_what_helps(
    verisim: Command, words: Sequence[object], tmp_path: Path
) -> None:
    few = write_slices(tmp_path / "few", "f", 4, 1, 7)
    run = verisim(*words, "--held-out", few, "-o", tmp_path / "r", "--json")
    assert run.code == 2
    assert "--stand-in" in run.facts["error"]["remedy"]
    assert verisim(*words, "--held-out", few, "-o", tmp_path / "r", "--stand-in").code == 0


def test_nobody_at_the_scheduler_is_said(
    verisim: Command,
    words: Sequence[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("verisim.audit.workers.PATIENCE", "0.2s")
    run = verisim(*words, "-o", tmp_path / "r", "--scheduler", "tcp://127.0.0.1:9", "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "unavailable"


def test_a_network_of_others_is_asked_besides_and_named(
    verisim: Command, words: Sequence[object], tmp_path: Path
) -> None:
    file = eyes(tmp_path / "eyes.pt")
    out = tmp_path / "r"
    run = verisim(*words, "-o", out, "--json", "--backend", f"sscd={file}")
    assert run.code in (0, 3), run.err
    assert run.facts["measures"] == ["pearson", "sscd"]
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert run.facts["weights"] == [{"measure": "sscd", "sha256": sha256}]
    assert sha256 in (out / "report.html").read_text()


def test_a_network_that_is_missing_is_refused_and_not_replaced(
    verisim: Command, words: Sequence[object], tmp_path: Path
) -> None:
    torn = tmp_path / "torn.pt"
    torn.write_bytes(eyes(tmp_path / "eyes.pt").read_bytes()[:500])
    for backend, code in (
        (f"sscd={tmp_path / 'none.pt'}", "not_found"),
        (f"sscd={torn}", "unreadable_file"),
        (f"dreamsim={tmp_path / 'none'}", "not_found"),
        ("clip", "bad_input"),
    ):
        run = verisim(*words, "-o", tmp_path / "r", "--json", "--backend", backend)
        assert run.code == 2
        assert run.facts["error"]["code"] == code
        assert run.facts["error"]["remedy"]
    run = verisim(*words, "-o", tmp_path / "r", "--json", "--backend", "own", "--stand-in")
    assert run.code == 2
    assert "cannot stand in" in run.facts["error"]["message"]
    assert not (tmp_path / "r").exists()
