"""A report is read as it was written."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.audit.reports import a_report
from verisim.audit.report import REPORT, read_report
from verisim.errors import BadInput, NotFound


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = a_report()
    report.write(tmp_path)
    assert read_report(tmp_path) == report
    assert read_report(tmp_path / REPORT) == report


def test_a_report_without_what_is_optional_comes_back_too(tmp_path: Path) -> None:
    report = replace(a_report(), discovery=None, model_side=None, recalls=())
    report.write(tmp_path)
    assert read_report(tmp_path) == report


def test_a_report_of_before_weights_were_named_is_read(tmp_path: Path) -> None:
    older = json.loads(a_report().json())
    assert older.pop("weights") == []
    (tmp_path / REPORT).write_text(json.dumps(older))
    assert read_report(tmp_path) == a_report()


def test_flagged_cases_and_blind_spots_are_named() -> None:
    report = a_report()
    assert [case.name for case in report.flagged] == ["made_2", "made_1"]
    assert report.blind_spots == ("rotation 15",)
    assert report.cases[0].sight.nearest == "train_1"


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=REPORT):
        read_report(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"level": 0.05', '"level": "much"', "level"),
        ('"seed": 0', '"sead": 0', "seed"),
        ('"word": "block"', '"word": "fine"', "word"),
        ('"planted": 12', '"planted": 12.5', "recalls.0.planted"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    text = a_report().json()
    assert old in text
    (tmp_path / REPORT).write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=named):
        read_report(tmp_path)


def test_half_a_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / REPORT).write_text(a_report().json()[:-100])
    with pytest.raises(BadInput, match="its text"):
        read_report(tmp_path)
