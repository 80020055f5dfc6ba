"""Slices of one synthetic volume stay or leave together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.reports import a_case
from tests.audit.sets import Pearson, cases, copied, together
from verisim.audit.auditor import Auditor
from verisim.audit.kinship import withheld_together
from verisim.audit.planting import KINDS

PLAIN = tuple(kind for kind in KINDS if kind.name == "copy")


def test_what_is_of_a_volume_that_stays_is_named_with_the_closest() -> None:
    found = [
        a_case("a_1", 9.0, "block"),
        a_case("b_1", 3.0, "quarantine"),
        a_case("b_2", 2.5, "quarantine"),
        a_case("a_2", 1.0, "pass"),
        a_case("b_3", 0.9, "pass"),
        a_case("c_1", 0.8, "pass"),
    ]
    volumes = {case.name: case.name[0] for case in found}
    kept = withheld_together(found, volumes)
    assert [case.word for case in kept] == [
        "block",
        "quarantine",
        "quarantine",
        "quarantine",
        "quarantine",
        "pass",
    ]
    assert [case.withheld_with for case in kept] == ["", "", "", "a_1", "b_1", ""]
    assert [case.close for case in kept] == [True, True, True, False, False, False]


def test_cases_of_their_own_stay_as_they_are() -> None:
    found = (a_case("a", 9.0, "block"), a_case("b", 1.0, "pass"))
    assert withheld_together(found, {"a": "a", "b": "b"}) == found


@pytest.mark.parametrize("each", [1, 4])
def test_an_audit_withholds_a_volume_of_which_one_slice_is_a_copy(each: int) -> None:
    training, held_out = cases("t", 60, 0), cases("h", 40, 1)
    leak = replace(copied(training, [7]), patients=("s_3",))
    made = together(cases("s", 40, 2, each=each), leak)
    report = Auditor(training, held_out, [Pearson()], kinds=PLAIN)(made)
    assert {case.name for case in report.flagged} == {
        "leak_7",
        *(f"s_3_{k}" for k in range(each)),
    }
    kin = [case for case in report.cases if case.withheld_with]
    assert {case.withheld_with for case in kin} == {"leak_7"}
    assert len(kin) == each
    assert sum(one.flagged for one in report.strata) == 1
    assert report.statement.copies == 1
    assert report.discovery is not None
    assert report.discovery.patients[-1] == 1
    assert f"stay {each} more" in report.sentence
    assert np.mean([case.word == "block" for case in report.cases]) == 1 / len(report.cases)
