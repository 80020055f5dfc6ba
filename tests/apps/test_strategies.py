"""Which case comes next."""

from __future__ import annotations

from pathlib import Path

import pytest
from monailabel.datastore.local import LocalDatastore

from lib.strategies import RandomCase, UncertainCase, WorstExpectedCase
from tests.apps.studies import open_studies, write_case
from verisim.errors import BadInput


@pytest.fixture
def studies(tmp_path: Path) -> LocalDatastore:
    """The cases a to e; e is labelled, and a model was 0.9, 0.6 and 0.8 certain of b, c and d."""
    for name in "abcde":
        tags = {"a": [], "e": ["final", "original"]}.get(name, ["original"])
        write_case(tmp_path, name, seed=1, tags=tags)
    datastore = open_studies(tmp_path)
    for name, certainty in {"b": 0.9, "c": 0.6, "d": 0.8, "e": 0.1}.items():
        datastore.update_label_info(name, "original", {"params": {"certainty": certainty}})
    return datastore


@pytest.fixture
def finished(tmp_path: Path) -> LocalDatastore:
    """Studies in which every case is labelled."""
    write_case(tmp_path / "finished", "a", seed=1)
    return open_studies(tmp_path / "finished")


def approve(studies: LocalDatastore, name: str) -> None:
    """Save the model's label of a case as final."""
    studies.save_label(name, studies.get_label_uri(name, "original"), "final", {})


def test_uncertain_picks_the_least_certain_unlabelled_case(studies: LocalDatastore) -> None:
    assert UncertainCase()({}, studies) == {"id": "c", "certainty": 0.6}


def test_uncertain_goes_on_to_the_next_and_takes_cases_without_a_score_last(
    studies: LocalDatastore,
) -> None:
    order = []
    for _ in range(3):
        order.append(UncertainCase()({}, studies)["id"])
        approve(studies, order[-1])
    assert order == ["c", "d", "b"]
    assert UncertainCase()({}, studies) == {"id": "a", "certainty": None}


def test_uncertain_sees_what_another_process_has_stored(studies: LocalDatastore) -> None:
    other = open_studies(Path(studies._datastore_path))
    other.update_label_info("d", "original", {"params": {"certainty": 0.2}})
    assert UncertainCase()({}, studies)["id"] == "d"


def test_uncertain_ignores_a_certainty_that_is_no_number(studies: LocalDatastore) -> None:
    studies.update_label_info("c", "original", {"params": {"certainty": "low"}})
    assert UncertainCase()({}, studies)["id"] == "d"


def test_the_lowest_expected_dice_comes_first(studies: LocalDatastore) -> None:
    for name, expected in {
        "b": {"anterior": 0.9, "posterior": 0.8},
        "c": {"anterior": 0.7, "posterior": 0.9},
        "d": {},
    }.items():
        studies.update_label_info(name, "original", {"params": {"expected_dice": expected}})
    order = []
    for _ in range(3):
        order.append(WorstExpectedCase()({}, studies))
        approve(studies, order[-1]["id"])
    assert [one["id"] for one in order] == ["d", "c", "b"]
    assert [one["expected_dice"] for one in order] == pytest.approx([0, 0.8, 0.85])
    assert WorstExpectedCase()({}, studies) == {"id": "a", "expected_dice": None}


def test_random_draws_the_same_case_for_the_same_seed(studies: LocalDatastore) -> None:
    draws = [RandomCase()({"seed": 5}, studies)["id"] for _ in range(5)]
    assert len(set(draws)) == 1


def test_random_draws_every_unlabelled_case_and_no_other(studies: LocalDatastore) -> None:
    draws = {RandomCase()({"seed": seed}, studies)["id"] for seed in range(50)}
    assert draws == {"a", "b", "c", "d"}


@pytest.mark.parametrize("seed", ["five", 1.5])
def test_a_seed_that_is_no_whole_number_is_refused(seed: object, studies: LocalDatastore) -> None:
    with pytest.raises(BadInput, match="seed"):
        RandomCase()({"seed": seed}, studies)


@pytest.mark.parametrize("strategy", [RandomCase(), UncertainCase()])
def test_nothing_comes_next_when_every_case_is_labelled(
    strategy: RandomCase | UncertainCase, finished: LocalDatastore
) -> None:
    assert strategy({}, finished) == {}
