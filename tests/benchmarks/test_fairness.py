"""How far one user got ahead of another."""

from __future__ import annotations

from serving_jobs.fairness import Stay, largest_lead, longest_wait


def one_after_the_other(order: str) -> list[Stay]:
    """Jobs of a second each, all handed in at 0, done in the order of their users' letters."""
    return [Stay(user, 0.0, k, k + 1.0) for k, user in enumerate(order)]


def test_a_round_robin_gives_nobody_more_than_one_job_ahead() -> None:
    assert largest_lead(one_after_the_other("abcabcabc")) == 1


def test_rounds_in_another_order_give_two() -> None:
    assert largest_lead(one_after_the_other("abbaab")) == 2


def test_who_comes_first_and_gets_everything_first_is_found() -> None:
    assert largest_lead(one_after_the_other("aaaabbbb")) == 3


def test_who_falls_behind_after_being_ahead_is_found() -> None:
    assert largest_lead(one_after_the_other("aabbbbba")) == 4


def test_who_has_nothing_waiting_may_be_overtaken() -> None:
    assert largest_lead(one_after_the_other("abab" + "a" * 10)) == 1


def test_who_comes_later_makes_up_for_nothing() -> None:
    early = [Stay("a", 0.0, k, k + 1.0) for k in range(10)]
    late = [Stay("b", 10.0, 11.0, 12.0), Stay("b", 10.0, 13.0, 14.0)]
    meanwhile = [Stay("a", 0.0, 10.0, 11.0), Stay("a", 0.0, 12.0, 13.0)]
    assert largest_lead(early + late + meanwhile) <= 2


def test_nobody_is_ahead_of_nobody() -> None:
    assert largest_lead([]) == 0
    assert largest_lead(one_after_the_other("aaa")) == 0


def test_the_longest_wait_has_no_gap() -> None:
    stays = [Stay("a", 0, 2, 3), Stay("a", 1, 4, 5), Stay("a", 10, 11, 12)]
    assert longest_wait(stays) == (0, 4)
