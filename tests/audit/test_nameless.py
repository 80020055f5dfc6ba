"""A report that travels names no real case."""

from dataclasses import replace

from tests.audit.reports import a_report
from verisim.audit.nameless import nameless, stand_ins


def test_every_real_case_is_stood_in_for() -> None:
    report = replace(a_report(), reasons=("made_2 copies train_1, held_1 is like train_3",))
    told = nameless(report)
    assert told.reasons == ("made_2 copies training 1, held-out 1 is like training 3",)
    assert not any(name in told.json() for name in ("train_", "held_1"))
    assert [case.name for case in told.cases] == [case.name for case in report.cases]


def test_the_same_case_has_the_same_stand_in_everywhere() -> None:
    told = nameless(a_report())
    assert told.cases[0].sights[0].nearest == told.cases[1].sights[0].nearest == "training 1"
    assert told.hygiene.clusters == (("training 1", "training 2"),)


def test_a_name_inside_another_word_or_name_is_left() -> None:
    report = replace(a_report(), sentence="train_10 and train_1; retrain_1")
    assert nameless(report).sentence == "train_10 and training 1; retrain_1"


def test_a_synthetic_name_wins_over_a_real_one_that_is_part_of_it() -> None:
    report = a_report()
    cases = (replace(report.cases[0], name="train_1 b"), *report.cases[1:])
    told = nameless(replace(report, cases=cases, sentence="train_1 b copies train_1"))
    assert told.sentence == "train_1 b copies training 1"


def test_nothing_else_changes() -> None:
    report = a_report()
    told = nameless(report)
    assert told.strata == report.strata
    assert told.recalls == report.recalls
    assert [one.score for one in told.cases] == [one.score for one in report.cases]
    assert set(stand_ins(report)) == {"train_1", "train_2", "train_3", "held_1"}
