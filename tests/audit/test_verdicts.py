"""Every rule that blocks, alone."""

from dataclasses import replace

import pytest

from tests.audit.reports import a_case, a_report
from verisim.audit.findings import CaseVerdict, Membership, Recall, SetStatement
from verisim.audit.verdicts import Policy, advice_for, sentence_of, verdict_of
from verisim.errors import BadInput
from verisim.metrics.intervals import Interval

FINE = replace(a_report().statement, p=0.5, excess=Interval(0.0, 0.0, 0.3), copies=0)
FOUND = a_report().recalls


def test_nothing_blocks_what_is_fine() -> None:
    cases = [a_case("a", 1.0, "pass")]
    assert Policy().reasons(cases, FINE, FOUND) == ()
    assert verdict_of((), cases) == "pass"
    assert not advice_for("pass")


def test_a_withheld_case_is_a_quarantine() -> None:
    cases = [a_case("a", 1.0, "pass"), a_case("b", 3.0, "quarantine")]
    assert verdict_of(Policy().reasons(cases, FINE, FOUND), cases) == "quarantine"
    assert "freshly drawn" in advice_for("quarantine")[0]


@pytest.mark.parametrize(
    ("cases", "statement", "recalls", "membership", "said"),
    [
        ([a_case("leak", 9.0, "block")], FINE, FOUND, None, "leak"),
        ([], replace(FINE, p=0.009), FOUND, None, "whole"),
        ([], replace(FINE, excess=Interval(0.1, 0.02, 0.2)), FOUND, None, "2.0% at least"),
        ([], FINE, [replace(FOUND[0], blind=True)], None, "the audit itself"),
        (
            [],
            FINE,
            FOUND,
            Membership(Interval(0.6, 0.5, 0.7), Interval(0.05, 0.03, 0.1), 0.001, 9, 9),
            "gives away",
        ),
    ],
)
def test_each_rule_blocks_alone(
    cases: list[CaseVerdict],
    statement: SetStatement,
    recalls: list[Recall],
    membership: Membership | None,
    said: str,
) -> None:
    (reason,) = Policy().reasons(cases, statement, recalls, membership)
    assert said in reason
    assert verdict_of((reason,), cases) == "block"


def test_a_strict_site_blocks_what_it_cannot_exclude() -> None:
    (reason,) = Policy(highest_excess=0.001).reasons([], FINE, FOUND)
    assert "30.0%" in reason


def test_a_case_is_judged_by_score_and_q() -> None:
    policy = Policy()
    assert policy.word(5.0, 1.0, 4.0) == "block"
    assert policy.word(3.0, 0.05, 4.0) == "quarantine"
    assert policy.word(3.0, 0.06, 4.0) == "pass"


def test_the_sentence_names_cases_and_blind_spots() -> None:
    cases = [a_case(f"case {k}", 9.0, "block") for k in range(7)]
    said = sentence_of("block", cases, FINE, ["rotation 15°"])
    assert said.startswith("Block: 7 of 7")
    assert "case 4 and 2 more" in said
    assert "Nothing is claimed of copies by rotation 15°." in said


def test_levels_that_are_none_are_refused() -> None:
    with pytest.raises(BadInput, match="between 0 and 1"):
        Policy(level=0)
    with pytest.raises(BadInput, match="planted"):
        Policy(plants=0)
