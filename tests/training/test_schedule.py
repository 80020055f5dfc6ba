"""How long and how fast a network learns."""

from __future__ import annotations

import pytest

from verisim.training.schedule import Schedule

LONG = Schedule(iterations=1000, warm_up=0)


def test_the_polynomial_is_nnunets() -> None:
    for iteration in (0, 250, 500, 999):
        assert LONG.pace(iteration) == pytest.approx((1 - iteration / 1000) ** 0.9)


def test_the_cosine_is_halfway_down_in_the_middle() -> None:
    cosine = Schedule(iterations=1000, warm_up=0, decay="cosine")
    assert [cosine.pace(k) for k in (0, 500, 1000)] == pytest.approx([1, 0.5, 0])


def test_a_short_schedule_warms_up_briefly_and_forgets_soon() -> None:
    short = Schedule().lasting(50, looks=5)
    assert (short.iterations, short.warm_up, short.validate_every) == (50, 6, 10)
    assert short.moving_average == pytest.approx(0.8)
    assert Schedule().lasting(100_000, looks=20).moving_average == Schedule().moving_average


def test_a_schedule_without_a_step_has_one() -> None:
    assert Schedule().lasting(-3, looks=0).iterations == 1


def test_networks_share_the_steps() -> None:
    assert LONG.shared_by(1) is LONG
    share = LONG.shared_by(3)
    assert (share.iterations, share.validate_every) == (333, 333)
