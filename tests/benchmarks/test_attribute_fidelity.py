"""Attribute fidelity: judges that are right about what they can know, and a table of counts."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import attribute_fidelity
from attribute_fidelity import Real, Row, ceiling, judge_of, table
from hippocampus_attributes import side_of
from tests.apps.running import a_generator_card, untrained
from tests.training.balls import write_balls
from verisim.card import ModelCard
from verisim.networks.attributes import Attribute
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.volume import LabelMap, Volume

SIZE, SIDE = Attribute("size", ("large", "small")), Attribute("side", ("left", "right"))


def real_cases(count: int = 24) -> tuple[Real, Real]:
    """Cases of two sizes in turn, and bright on one of two sides, by either word."""
    generator = np.random.default_rng(0)
    pairs, sizes, sides = [], [], []
    for k in range(count):
        image = generator.normal(size=(12, 16, 12))
        image[:6] += 2 * (k % 4 < 2)
        label = np.zeros((12, 16, 12), np.uint8)
        label[2 : 6 + 4 * (k % 2), 2:8, 2:8] = 1
        labels = {"anterior": 1, "posterior": 2}
        pairs.append((Volume(image, np.eye(4)), LabelMap(label, np.eye(4), labels)))
        sizes.append("large" if k % 2 else "small")
        sides.append("left" if k % 4 < 2 else "right")
    subjects = [str(k // 2) for k in range(count)]
    return Real(pairs, subjects, sizes), Real(pairs, subjects, sides)


def test_judges_know_what_can_be_seen_and_nothing_else(a_card: ModelCard) -> None:
    by_size, by_side = real_cases()
    assert ceiling(judge_of(SIZE, a_card, by_volume=True), by_size) == 1
    assert ceiling(judge_of(SIDE, a_card, by_volume=False), by_side) > 0.9
    assert ceiling(judge_of(SIDE, a_card, by_volume=True), by_side) < 0.8  # volumes tell no side


def test_a_table_has_a_line_for_each_value_and_a_column_for_each_way() -> None:
    ways = ((1.0, 1.0), (1.5, 2.0))
    rows = [Row("size", one, way, 3, 4, 0.9) for one in ("large", "small") for way in ways]
    found = table(rows)
    assert found.row_count == 2
    assert len(found.columns) == 5


@pytest.mark.parametrize(
    ("case", "side"), [("hippocampus_001", "odd"), ("hippocampus_002", "even"), ("liver_1", "")]
)
def test_a_side_is_told_by_the_number(case: str, side: str) -> None:
    assert side_of(case) == side


def test_every_value_is_made_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_balls(tmp_path / "balls", 12, 2)
    lines = [f"case_{k},{'large' if k % 2 else 'small'}" for k in range(12)]
    (tmp_path / "table.csv").write_text("\n".join(["case,size", *lines]))
    card = a_generator_card()
    assert isinstance(card.network, CaseDiffusion)
    centres = Attribute("intensity", ("1", "2"), ((-1.0,) * 7, (1.0,) * 7))
    plan = replace(card.network, attributes=(SIZE, centres))
    untrained(replace(card, network=plan), tmp_path / "models")
    command = ["fidelity", "maker", "--data", tmp_path / "balls", "-n", 2]
    command += ["--attributes", tmp_path / "table.csv", "--models", tmp_path / "models"]
    monkeypatch.setattr(sys, "argv", [str(one) for one in command])
    attribute_fidelity.main()
    said = capsys.readouterr().out
    assert said.count("of 2") == 8
    assert "100%" in said  # of real cases by the same centres
