"""What is expected is corrected by what came true, and never turned around."""

import numpy as np
import pytest

from verisim.expectation import Expectation, fitted

NAN = float("nan")


def test_as_it_is_made_it_changes_nothing() -> None:
    assert [Expectation()(dice) for dice in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]


def test_who_expects_rightly_is_not_corrected() -> None:
    true = [0.2, 0.5, 0.9, 0.95]
    assert fitted(true, true) == Expectation(0.0, 1.0)


def test_who_is_too_sure_by_as_much_everywhere_is_told_less() -> None:
    line = fitted([0.5, 0.7, 0.9], [0.4, 0.6, 0.8])
    assert line(0.8) == pytest.approx(0.7)


def test_one_case_tells_how_far_off_but_not_how_it_rises() -> None:
    line = fitted([0.9], [0.8])
    assert line.slope == 1
    assert line(0.6) == pytest.approx(0.5)


def test_it_never_turns_the_order_of_cases_around() -> None:
    line = fitted([0.5, 0.7, 0.9], [0.8, 0.7, 0.6])
    assert line.slope == 0
    assert line(0.1) == line(0.9) == pytest.approx(0.7)


def test_what_was_not_found_counts_for_nothing() -> None:
    pairs = [(0.5, 0.4), (0.9, 0.8)]
    with_nan = [*pairs, (NAN, 0.0), (0.3, NAN)]
    assert fitted(*zip(*with_nan, strict=True)) == fitted(*zip(*pairs, strict=True))
    assert fitted([NAN], [0.5]) == Expectation()


def test_it_stays_a_dice() -> None:
    line = Expectation(-2.0, 3.5)
    assert (line(0.1), line(1.0)) == (0.0, 1.0)


def test_it_is_the_line_of_least_squares() -> None:
    generator = np.random.default_rng(0)
    expected = generator.uniform(0.4, 1, 40)
    true = 0.8 * expected + generator.normal(0, 0.02, 40)
    line = fitted(expected.tolist(), true.tolist())
    slope, intercept = np.polyfit(expected, true, 1)
    assert (line.slope, line.intercept) == pytest.approx((slope, intercept), abs=1e-5)
