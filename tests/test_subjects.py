"""Whose body a case shows, and how subjects are dealt out to folds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.test_dataset import decathlon
from verisim.dataset import Case, Dataset, open_dataset
from verisim.errors import BadDataset, BadInput, NotFound
from verisim.subjects import SubjectRule, folds_of


def a_table(path: Path, *lines: str) -> Path:
    """A CSV file."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_says_whose_the_cases_are(tmp_path: Path) -> None:
    folder = decathlon(tmp_path / "data", cases=3)
    lines = [f"hippocampus_00{k},p{k // 2},left" for k in (1, 2, 3)]
    table = a_table(tmp_path / "who.csv", "case,subject,side", *lines)
    dataset = open_dataset(folder, subject_table=table)
    assert [case.subject for case in dataset.cases] == ["p0", "p1", "p1"]


def test_the_table_beside_the_data_is_found_and_what_is_said_goes_before_it(
    tmp_path: Path,
) -> None:
    folder = decathlon(tmp_path, cases=2)
    a_table(folder / "subjects.csv", "subject,case", "x,hippocampus_001", "x,hippocampus_002")
    assert {case.subject for case in open_dataset(folder).cases} == {"x"}
    said = open_dataset(folder, subject_pattern=r"_(\d+)")
    assert [case.subject for case in said.cases] == ["001", "002"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["case,subject", "hippocampus_001,a"], "no subject of the case 'hippocampus_002'"),
        (["case,subject", "hippocampus_001,a", "hippocampus_002,"], "no subject of"),
        (["name,who", "hippocampus_001,a"], "no columns case and subject"),
        ([], "no columns case and subject"),
    ],
)
def test_a_table_that_lacks_something_is_refused(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    folder = decathlon(tmp_path / "data", cases=2)
    table = a_table(tmp_path / "who.csv", *lines)
    with pytest.raises(BadDataset, match=words):
        open_dataset(folder, subject_table=table)


def test_a_missing_table_and_two_rules_are_refused(tmp_path: Path) -> None:
    folder = decathlon(tmp_path / "data", cases=2)
    with pytest.raises(NotFound, match=r"who\.csv"):
        open_dataset(folder, subject_table=tmp_path / "who.csv")
    with pytest.raises(BadInput, match="both by a pattern and by a table"):
        SubjectRule("p", tmp_path / "who.csv")


@pytest.mark.parametrize("count", [5, 6, 9, 23])
def test_every_subject_is_in_one_fold_and_folds_are_alike_in_size(count: int) -> None:
    subjects = [f"{k:02d}" for k in range(count)]
    folds = folds_of([*subjects, *subjects])
    assert sorted(name for fold in folds for name in fold) == subjects
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    assert folds == folds_of(reversed(subjects))


def test_folds_are_those_of_scikit_learn() -> None:
    model_selection = pytest.importorskip("sklearn.model_selection")
    subjects = [f"{k:02d}" for k in range(17)]
    drawn = model_selection.KFold(5, shuffle=True, random_state=12345).split(subjects)
    expected = [frozenset(subjects[k] for k in held_out) for _, held_out in drawn]
    assert folds_of(subjects) == expected


def test_too_few_subjects_for_the_folds_are_refused() -> None:
    with pytest.raises(BadDataset, match="4 subject"):
        folds_of("abcd")


def dataset_of(splits: dict[str, frozenset[str]]) -> Dataset:
    """Two cases of each of ten subjects."""
    cases = tuple(Case(f"{s}{k}", s, ()) for s in "abcdefghij" for k in (0, 1))
    return Dataset("d", cases, ("MRI",), {"organ": 1}, "CC0", splits)


def test_each_case_is_held_out_once_and_no_subject_is_on_both_sides() -> None:
    dataset = dataset_of({})
    folds = dataset.folds(within="all")
    held_out = [case.name for fold in folds for case in fold.validation]
    assert sorted(held_out) == sorted(case.name for case in dataset.cases)
    for fold in folds:
        assert len(fold.training) == len(dataset.cases) - len(fold.validation)
        assert not {c.subject for c in fold.training} & {c.subject for c in fold.validation}


def test_folds_are_drawn_within_a_split_so_that_the_others_stay_unseen() -> None:
    seen = frozenset(f"{s}{k}" for s in "abcdefg" for k in (0, 1))
    dataset = dataset_of({"train": seen, "val": frozenset({"j0"})})
    for fold in dataset.folds():
        assert {case.name for case in (*fold.training, *fold.validation)} == seen


def test_the_folds_beside_the_data_are_used_for_all_cases_only(tmp_path: Path) -> None:
    folder = decathlon(tmp_path, cases=12)
    names = [f"{k:03d}" for k in range(1, 13)]
    folds = [names[0:2], names[2:4], names[4:6], names[6:8], names[8:12]]
    splits = {"train": names[:10], "val": names[10:], "folds": folds}
    (folder / "splits.json").write_text(json.dumps(splits))
    dataset = open_dataset(folder)
    named = [[c.name[-3:] for c in fold.validation] for fold in dataset.folds(within="all")]
    assert named == folds
    assert sum(len(fold.validation) for fold in dataset.folds(within="train")) == 10


@pytest.mark.data
def test_real_folds_share_no_subject_and_keep_the_validation_split_unseen(
    real_data: Path,
) -> None:
    dataset = open_dataset(real_data / "hippocampus")
    unseen = {case.subject for case in dataset.split("val")}
    sizes = []
    for fold in dataset.folds():
        left, right = ({c.subject for c in side} for side in (fold.training, fold.validation))
        assert not left & right
        assert not unseen & (left | right)
        sizes.append(len(fold.validation))
    assert sum(sizes) == 174
    assert max(sizes) - min(sizes) < 15
