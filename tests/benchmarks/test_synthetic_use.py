"""What synthetic cases are worth: each arm learns from its own cases, all are tested alike."""

from pathlib import Path

import synthetic_use
from tests.training.balls import write_balls
from verisim.card import ModelCard


def test_arms_learn_from_their_cases_and_share_those_held_out(
    a_card: ModelCard, tmp_path: Path
) -> None:
    real, made = write_balls(tmp_path / "real", 5, 2), write_balls(tmp_path / "made", 4, 0)
    for case in ("labels", "images"):
        for path in (tmp_path / "made" / case).iterdir():
            path.rename(path.with_name(f"synthetic_{path.name}"))
    described = tmp_path / "made" / "dataset.json"
    described.write_text(described.read_text().replace("case_", "synthetic_case_"))
    made = synthetic_use.open_dataset(tmp_path / "made")
    found = synthetic_use.laid_out(a_card, real, made, tmp_path / "cases", 0)
    arms = {arm: {case.name for case in found.split(arm)} for arm in synthetic_use.ARMS}
    held_out = {case.name for case in found.split("val")}
    assert arms["real"] == {"case_0", "case_1", "case_2"}
    assert len(arms["synthetic"]) == 3
    assert all(name.startswith("synthetic") for name in arms["synthetic"])
    assert arms["both"] == arms["real"] | arms["synthetic"]
    assert held_out == {"case_3", "case_4"}
    few = synthetic_use.laid_out(a_card, real, made, tmp_path / "few", 2)
    assert len(few.split("real")) == 2


def test_an_arm_stands_beside_the_real_one() -> None:
    rows = [
        synthetic_use.Row(arm, seed, 3, (dice, dice + 0.1), ("a", "b"))
        for seed in range(2)
        for arm, dice in (("real", 0.8), ("synthetic", 0.7))
    ]
    cells = [list(column.cells) for column in synthetic_use.table(rows).columns]
    assert cells[0] == ["real", "synthetic"]
    assert cells[4] == ["100.0%", "88.2%"]
    assert cells[5][0] == ""
    assert cells[5][1].startswith("-0.1000")
