"""What synthetic cases are worth: each arm learns from its own cases, all are tested alike."""

import json
from pathlib import Path

import pytest

from tests.training.balls import write_balls
from tests.training.tiny_run import a_ball
from verisim.dataset import Dataset, open_dataset
from verisim.errors import BadInput, Cancelled
from verisim.installed import find_cards
from verisim.synthesis.from_few import FromFew, by_chance
from verisim.synthesis.use import Use, UseStudy, balanced, only_few, worth
from verisim.training.examples import Example


def synthetic(folder: Path, count: int) -> Dataset:
    """Balls under names of their own."""
    write_balls(folder, count, 0)
    for kind in ("labels", "images"):
        for path in (folder / kind).iterdir():
            path.rename(path.with_name(f"synthetic_{path.name}"))
    described = folder / "dataset.json"
    described.write_text(described.read_text().replace("case_", "synthetic_case_"))
    return open_dataset(folder)


def test_each_arm_learns_from_its_cases_and_all_are_tested_alike(tmp_path: Path) -> None:
    real, made = write_balls(tmp_path / "real", 5, 2), synthetic(tmp_path / "made", 4)
    study = UseStudy(real, made, tmp_path / "work", iterations=2)
    rows = list(study())
    assert [(row.arm, row.cases) for row in rows] == [("real", 3), ("synthetic", 4), ("both", 7)]
    assert {row.real for row in rows} == {3}
    assert {row.subjects for row in rows} == {("case_3", "case_4")}
    assert all(0 <= score <= 1 for row in rows for score in row.dice)


def test_what_is_trained_is_kept_until_its_cases_change(tmp_path: Path) -> None:
    real, made = write_balls(tmp_path / "real", 4, 1), synthetic(tmp_path / "made", 3)
    study = UseStudy(real, made, tmp_path / "work", iterations=1)
    first = list(study(("synthetic",)))
    folders = set((tmp_path / "work").iterdir())
    assert list(study(("synthetic",))) == first
    assert set((tmp_path / "work").iterdir()) == folders
    image = made.split("all")[0].images[0]
    image.write_bytes(image.read_bytes())
    list(study(("synthetic",)))
    assert set((tmp_path / "work").iterdir()) > folders


def test_a_training_can_be_cancelled(tmp_path: Path) -> None:
    class Impatient:
        def advance(self, done: int, total: int, message: str = "") -> None:
            if done:
                raise Cancelled("Enough.", "Ask again.")

    real, made = write_balls(tmp_path / "real", 4, 1), synthetic(tmp_path / "made", 3)
    study = UseStudy(real, made, tmp_path / "work", iterations=50)
    with pytest.raises(Cancelled):
        list(study(("real",), progress=Impatient()))


def test_other_labels_and_other_arms_are_refused(tmp_path: Path) -> None:
    real, made = write_balls(tmp_path / "real", 4, 1), synthetic(tmp_path / "made", 3)
    with pytest.raises(BadInput, match="neither"):
        list(UseStudy(real, made, tmp_path / "work")(("neither",)))
    described = tmp_path / "made" / "dataset.json"
    text = json.loads(described.read_text())
    text["labels"] = {"background": 0, "liver": 1, "posterior": 2}
    described.write_text(json.dumps(text))
    with pytest.raises(BadInput, match="liver"):
        list(UseStudy(real, open_dataset(tmp_path / "made"), tmp_path / "work")())


def test_few_are_among_more_and_the_held_out_stay(tmp_path: Path) -> None:
    real = write_balls(tmp_path, 9, 2)
    names = [{case.name for case in only_few(real, n).split("train")} for n in (2, 4, 7)]
    assert [len(one) for one in names] == [2, 4, 7]
    assert names[0] < names[1] < names[2]
    assert only_few(real, 2).split("val") == real.split("val")
    for wrong in (0, 8):
        with pytest.raises(BadInput, match=str(wrong)):
            only_few(real, wrong)


def test_the_fewer_are_shown_as_often_as_the_more(a_ball_example: Example) -> None:
    few, many = [a_ball_example] * 2, [a_ball_example] * 9
    assert len(balanced([few, many])) == 4 * 2 + 9
    assert len(balanced([many])) == 9
    assert len(balanced([many, many[:8]])) == 17


@pytest.fixture
def a_ball_example() -> Example:
    return a_ball(0)


def test_an_arm_stands_beside_the_real_cases_alone_of_as_many() -> None:
    rows = [
        Use(arm, seed, real, 3, (dice, dice + 0.1), ("a", "b"))
        for real, gain in ((5, 0.1), (10, 0.0))
        for seed in range(2)
        for arm, dice in (("real", 0.7), ("both", 0.7 + gain))
    ]
    found = {(one.real, one.arm): one for one in worth(rows)}
    assert [one.trainings for one in found.values()] == [2] * 4
    gain = found[5, "both"].apart
    assert gain is not None
    assert gain.mean == pytest.approx(0.1)
    assert gain.low == pytest.approx(0.1)
    assert found[5, "both"].share == pytest.approx(0.85 / 0.75)
    nothing = found[10, "both"].apart
    assert nothing is not None
    assert nothing.mean == pytest.approx(0)
    assert found[5, "real"].apart is None


def test_a_generator_learns_from_the_few_alone_and_is_kept(tmp_path: Path) -> None:
    few = only_few(write_balls(tmp_path / "real", 12, 4), 5)
    maker = FromFew(few, tmp_path / "few", iterations=2)
    made = maker(2)
    assert len(made.split("all")) == 2
    about = json.loads(next((tmp_path / "few" / "cases" / "provenance").iterdir()).read_text())
    assert about["training_cases"] == 5
    card = find_cards(tmp_path / "few" / "models")["few"]
    assert card.training is not None
    assert card.training.iterations == 2
    weights = next((tmp_path / "few" / "models").glob("*.safetensors"))
    stamp = weights.stat().st_mtime_ns
    assert len(maker(3).split("all")) == 3
    assert weights.stat().st_mtime_ns == stamp


def test_chance_makes_cases_of_the_few_label_maps(tmp_path: Path) -> None:
    few = only_few(write_balls(tmp_path / "real", 6, 2), 2)
    made = by_chance(few, tmp_path / "few", 4)
    assert len(made.split("all")) == 4
    assert dict(made.labels) == dict(few.labels)
    shapes = {
        json.loads(path.read_text())["labels_sha256"]
        for path in (tmp_path / "few" / "cases" / "provenance").iterdir()
    }
    assert len(shapes) <= 2
