"""The table of a comparison, and whether its claims hold."""

import json
from dataclasses import replace
from io import StringIO
from math import isnan, nan

import pytest
from rich.console import Console

from beside_nnunet.agreement import Agreement
from beside_nnunet.measuring import Run
from beside_nnunet.report import COLD, WARM, Comparison, Side, facts, table


@pytest.fixture
def a_comparison() -> Comparison:
    """Three pairs of runs on a machine that slows down: always four times as fast."""
    return Comparison(
        what="20 volumes, cold",
        mirroring=False,
        nnunet=Side("theirs", tuple(Run(s, 3 * s) for s in (4.0, 8.0, 40.0)), 1000.0),
        verisim=Side("ours", tuple(Run(s, s) for s in (1.0, 2.0, 10.0)), 500.0),
        agreements=(Agreement("a", {"anterior": 0.9995, "posterior": nan}, 3, 1000),),
        claim=COLD,
    )


def test_the_speed_is_the_ratio_of_runs_that_followed_each_other(
    a_comparison: Comparison,
) -> None:
    assert (a_comparison.speed, a_comparison.effort, a_comparison.memory) == (4.0, 12.0, 0.5)


def test_claims_that_hold_are_said_to_hold(a_comparison: Comparison) -> None:
    assert a_comparison.verdicts == {
        "≥ 2× as fast": True,
        "≤ 60% of the memory": True,
        "Dice ≥ 0.999": True,
    }


def test_each_claim_can_fail(a_comparison: Comparison) -> None:
    slow = replace(a_comparison.verisim, runs=a_comparison.nnunet.runs, peak_mb=601.0)
    apart = (Agreement("a", {"anterior": 0.998}, 3, 1000),)
    failed = replace(a_comparison, verisim=slow, agreements=apart)
    assert not any(failed.verdicts.values())


def test_memory_that_nobody_watched_is_not_claimed(a_comparison: Comparison) -> None:
    warm = replace(a_comparison, verisim=replace(a_comparison.verisim, peak_mb=nan), claim=WARM)
    assert isnan(warm.memory)
    assert list(warm.verdicts) == ["≥ 1.3× as fast", "Dice ≥ 0.999"]


def test_the_table_shows_both_sides_and_the_verdicts(a_comparison: Comparison) -> None:
    console = Console(width=180, record=True, file=StringIO())
    console.print(table([a_comparison]))
    text = console.export_text()
    for words in ("8.00 (4.00 to 40.00)", "2.00 (1.00 to 10.00)", "4.00×", "3 of 1,000", "holds"):
        assert words in text


def test_the_facts_are_json_without_nan(a_comparison: Comparison) -> None:
    (found,) = json.loads(json.dumps(facts([a_comparison]), allow_nan=False))
    assert found["cases"][0]["dice"] == {"anterior": 0.9995, "posterior": None}
    assert found["verisim"]["seconds"] == [1.0, 2.0, 10.0]
