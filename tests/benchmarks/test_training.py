"""The comparison of two trainings."""

import sys
from pathlib import Path

import numpy as np
import pytest

from beside_nnunet.shortening import shortened
from beside_nnunet.training import Contest
from nnunet_training import difference, label_means
from verisim.dataset import Case, Dataset

CASES = tuple(Case(f"c{k}", f"s{k // 2}", ()) for k in range(20))


@pytest.fixture
def a_contest(tmp_path: Path) -> Contest:
    """Twenty cases of ten subjects, four of them to be tested."""
    names = [case.name for case in CASES]
    splits = {"train": frozenset(names[:16]), "val": frozenset(names[16:])}
    dataset = Dataset("data", CASES, ("MRI",), {"anterior": 1}, "CC0", splits)
    return Contest(tmp_path, dataset, "0", 1.0, 1, tmp_path)


@pytest.mark.parametrize(("step", "rest"), [(0.1, 0.0), (1.0, 0.5), (3.0, 20.0)])
@pytest.mark.parametrize("seconds", [60.0, 900.0, 7200.0])
def test_a_shortened_schedule_fills_the_time_and_ends_in_it(
    step: float, rest: float, seconds: float
) -> None:
    epochs, steps = shortened(step, rest, seconds)
    needed = epochs * (steps * step + rest)
    assert needed <= seconds
    assert needed + epochs * step > seconds


def test_a_schedule_has_one_step_at_least() -> None:
    assert shortened(10.0, 10.0, 1.0) == (1, 1)


def test_a_constant_lead_is_found_without_doubt() -> None:
    theirs = {case.name: {"a": 0.5, "b": 0.7} for case in CASES}
    ours = {case.name: {"a": 0.6, "b": 0.7} for case in CASES}
    found = difference(theirs, ours, CASES)
    assert (found.mean, found.low, found.high) == pytest.approx((0.05, 0.05, 0.05))


def test_a_model_is_not_better_than_itself() -> None:
    rng = np.random.default_rng(0)
    same = {case.name: {"a": float(rng.random()), "b": float("nan")} for case in CASES}
    found = difference(same, same, CASES)
    assert (found.mean, found.low, found.high) == (0, 0, 0)


def test_the_mean_is_that_of_the_labels() -> None:
    found = label_means({"c0": {"a": 0.5, "b": 1.0}, "c1": {"a": 0.7, "b": float("nan")}})
    assert found == pytest.approx({"a": 0.6, "b": 1.0, "mean": 0.8})


def test_nobody_learns_from_the_tested_cases(a_contest: Contest) -> None:
    subjects = [
        {case.subject for case in cases}
        for cases in (a_contest.teaching, a_contest.watching, a_contest.tested)
    ]
    assert all(subjects)
    assert not any(a & b for a, b in zip(subjects, [*subjects[1:], subjects[0]], strict=True))


def test_what_is_finished_is_not_done_again(a_contest: Contest, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"open({str(tmp_path / 'runs')!r}, 'a').write('x')"]
    assert a_contest.once("part", command) == a_contest.once("part", command)
    assert (tmp_path / "runs").read_text() == "x"


def test_a_work_folder_of_another_run_is_not_taken_for_this_one(a_contest: Contest) -> None:
    a_contest.once("part", [sys.executable, "-c", ""])
    with pytest.raises(SystemExit, match="other arguments"):
        a_contest.once("part", [sys.executable, "-c", "pass"])
