"""A schedule that ends in the minutes a person has."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.balls import write_balls
from verisim.card import ModelCard
from verisim.dataset import Case, Dataset
from verisim.errors import Conflict
from verisim.training import budget
from verisim.training.budget import (
    Candidate,
    Pace,
    Planned,
    Work,
    fitting,
    measured,
    plan_for,
    read_planned,
    write_planned,
)
from verisim.training.schedule import Schedule

PACE = Pace(reading=0.1, step=0.5, look=0.2, saving=0.3)
CASES = [Case(f"case_{k}", f"{k}", ()) for k in range(10)]
WORK = Work(CASES[:8], CASES[8:])
SCHEDULE = Schedule()


def seconds(schedule: Schedule, pace: Pace, work: Work) -> float:
    """What a schedule takes at a pace."""
    looks = -(-schedule.iterations // schedule.validate_every)
    held_out = len(work.held_out)
    each = (
        schedule.iterations * pace.step
        + looks * (pace.look * held_out + pace.saving)
        + held_out * (2 * pace.look + pace.reading)
    )
    return work.reading * pace.reading + work.trainings * each


@pytest.mark.parametrize("available", [60.0, 900.0, 86_400.0])
@pytest.mark.parametrize("trainings", [1, 5])
@pytest.mark.parametrize("pace", [PACE, replace(PACE, look=20.0), replace(PACE, step=0.01)])
def test_all_trainings_together_take_the_time_that_is_left(
    available: float, trainings: int, pace: Pace
) -> None:
    work = replace(WORK, trainings=trainings)
    schedule = fitting(pace, work, SCHEDULE, available)
    if schedule.iterations > 1:
        assert seconds(schedule, pace, work) <= available + trainings * pace.step
        assert seconds(schedule, pace, work) > 0.97 * available - trainings * pace.step
    else:
        assert seconds(schedule, pace, work) > 0.9 * available


def test_validation_takes_a_tenth_of_the_time_at_most() -> None:
    slow = replace(PACE, look=20.0)
    schedule = fitting(slow, WORK, SCHEDULE, 3600)
    looks = -(-schedule.iterations // schedule.validate_every)
    assert looks == 8
    assert looks * 2 * slow.look <= 0.1 * 3600


def test_a_long_training_is_looked_at_twenty_times() -> None:
    schedule = fitting(PACE, WORK, SCHEDULE, 86_400)
    assert -(-schedule.iterations // schedule.validate_every) == 20


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine that takes 1 ms a step for each feature; hears which networks were measured."""
    tried: list[int] = []

    def pace(card: ModelCard, work: Work, schedule: Schedule, *more: object, hasty: bool) -> Pace:
        tried.append(card.network.features[0])
        return Pace(0.0, 0.001 * card.network.features[0], 0.01, 0.0)

    monkeypatch.setattr(budget, "measured", pace)
    return tried


def two_candidates(card: ModelCard) -> tuple[Candidate, Candidate]:
    """32 features and batch 7, 16 features and batch 2."""
    wide, narrow = (replace(card.network, features=(n, 2 * n)) for n in (32, 16))
    return Candidate(replace(card, network=wide), 7), Candidate(replace(card, network=narrow), 2)


def test_the_plans_own_network_is_trained_where_time_suffices(
    a_card: ModelCard, machine: list[int]
) -> None:
    planned = plan_for(10, time.monotonic(), two_candidates(a_card), WORK, SCHEDULE)
    assert (planned.lighter, planned.schedule.batch_size, machine) == (False, 7, [32])
    assert planned.schedule.iterations == pytest.approx(600 / 0.032, rel=0.01)
    assert planned.gives_up == (
        f"{planned.schedule.iterations:,} iterations instead of nnU-Net's 250,000"
    )


def test_a_lighter_network_is_trained_where_the_plans_own_gets_fewer_than_2000_steps(
    a_card: ModelCard, machine: list[int]
) -> None:
    planned = plan_for(1, time.monotonic(), two_candidates(a_card), WORK, SCHEDULE)
    assert (planned.lighter, planned.schedule.batch_size, machine) == (True, 2, [32, 16])
    assert planned.gives_up.startswith("16 instead of 32 features, batch 2 instead of 7, 3,")


def test_the_lightest_network_is_trained_however_few_its_steps(
    a_card: ModelCard, machine: list[int]
) -> None:
    planned = plan_for(0.1, time.monotonic(), two_candidates(a_card), WORK, SCHEDULE)
    assert planned.lighter
    assert planned.schedule.iterations < 400


def test_time_that_has_passed_is_not_planned_again(a_card: ModelCard, machine: list[int]) -> None:
    own = two_candidates(a_card)[:1]
    full = plan_for(10, time.monotonic(), own, WORK, SCHEDULE)
    rest = plan_for(10, time.monotonic() - 300, own, WORK, SCHEDULE)
    assert rest.schedule.iterations == pytest.approx(full.schedule.iterations / 2, rel=0.02)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three cases of balls."""
    return write_balls(tmp_path / "data")


def test_a_machine_is_measured_on_real_steps(
    dataset: Dataset, a_card: ModelCard, tmp_path: Path
) -> None:
    work = Work(dataset.split("train"), dataset.split("val"))
    pace = measured(a_card, work, SCHEDULE, "cpu", time.monotonic() + 60)
    assert all(value > 0 for value in (pace.reading, pace.step, pace.look, pace.saving))


def test_a_network_that_is_much_too_slow_is_given_up_after_one_step(
    dataset: Dataset, a_card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(dataset.split("train"), dataset.split("val"))
    counted: list[int] = []

    def step(self: object, batch: object) -> float:
        counted.append(1)
        time.sleep(0.01)
        return 0.0

    monkeypatch.setattr("verisim.training.loop.Loop.step", step)
    measured(a_card, work, SCHEDULE, "cpu", time.monotonic() + 1, hasty=True)
    assert len(counted) == 1
    measured(a_card, work, SCHEDULE, "cpu", time.monotonic() + 1)
    assert len(counted) >= 1 + 4


def test_a_planned_schedule_is_read_as_it_was_written(tmp_path: Path) -> None:
    planned = Planned(15.0, True, "16 instead of 32 features", Schedule(123, 2, decay="cosine"))
    assert read_planned(tmp_path) is None
    write_planned(planned, tmp_path / "run")
    assert read_planned(tmp_path / "run") == planned


@pytest.mark.parametrize("text", ["minutes = ", "minutes = 3.0", "lighter = 'perhaps'"])
def test_a_damaged_schedule_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "schedule.toml").write_text(text)
    with pytest.raises(Conflict, match=r"schedule\.toml is damaged"):
        read_planned(tmp_path)
