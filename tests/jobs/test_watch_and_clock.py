"""Percent, time left and time passed."""

from __future__ import annotations

import time

import pytest

from verisim.errors import Cancelled
from verisim.jobs.clock import LONGEST_GAP, Clock
from verisim.jobs.watch import Standing, Watch


def test_percent_never_falls() -> None:
    watch = Watch()
    seen = []
    for done, total in ((1, 4), (2, 4), (1, 8), (3, 4), (9, 8)):
        watch.advance(done, total)
        seen.append(watch.standing.percent)
    assert seen == [25, 50, 50, 75, 100]


def test_the_time_left_comes_from_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = Watch()
    watch.advance(0, 10)
    assert watch.standing.seconds_left is None
    now += 4
    watch.advance(2, 10)
    assert watch.standing.seconds_left == pytest.approx(16)


def test_the_time_left_follows_the_latest_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = Watch()
    for step in range(10):  # the first half of the steps takes a tenth of the time of the second
        watch.advance(step, 20)
        now += 1
    for step in range(10, 15):
        watch.advance(step, 20)
        now += 10
    watch.advance(15, 20)
    assert watch.standing.seconds_left == pytest.approx(50, rel=0.2)


def test_time_in_which_others_went_first_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def others() -> None:
        nonlocal now
        now += 1000

    watch = Watch(others)
    watch.advance(0, 10)
    now += 1
    watch.advance(1, 10)
    assert watch.standing.seconds_left == pytest.approx(9)


def test_time_in_which_it_waited_for_a_machine_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = Watch()
    watch.advance(0, 0, "Waits for a worker.")
    assert watch.standing == Standing(0.0, "Waits for a worker.", None)
    now += 1000
    watch.advance(0, 10)
    now += 4
    watch.advance(2, 10)
    assert watch.standing.seconds_left == pytest.approx(16)


def test_a_stopped_watch_cancels_the_next_step() -> None:
    watch = Watch()
    watch.advance(0, 2)
    watch.stop()
    with pytest.raises(Cancelled):
        watch.advance(1, 2)


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_clock_that_is_set_moves_nothing(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    clock = Clock()
    before, wall = clock.now(), time.time()
    monkeypatch.setattr(time, "time", lambda: wall + jump)
    assert 0 <= clock.now() - before < 60
    assert 0 <= Clock(before).now() - before <= LONGEST_GAP + 60
