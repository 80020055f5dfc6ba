"""`verisim train` by folds, in minutes, of slices and in a cascade."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Run, a_truth, an_image, listing
from tests.training.balls import write_balls
from tests.training.tiny_plan import write_plan
from verisim import files
from verisim.installed import find_card
from verisim.training.budget import read_planned

Train = Callable[..., Run]


@pytest.fixture
def train(
    verisim: Command, tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """Train two steps on five subjects, unless told otherwise."""
    folder = tmp_path / "data"
    write_balls(folder, count=5, held_out=0)
    # the plan of these tests names its channel
    text = (folder / "dataset.json").read_text()
    (folder / "dataset.json").write_text(text.replace("{", '{"modality": {"0": "MRI"}, ', 1))
    plan = write_plan(tmp_path / "tiny-plan.toml", features=8, batch_size=3)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Run:
        length = () if "--minutes" in arguments else ("--iterations", 2)
        fixed = ("--plan", plan, "--models", models, "--json")
        return verisim("train", folder, *length, *fixed, *arguments)

    return run


def test_all_folds_become_one_model_with_figures_of_unseen_cases(
    train: Train, models: Path, tmp_path: Path
) -> None:
    run = train("--name", "balls", "--fold", "all")
    assert run.code == 0
    card = find_card("balls", models)
    assert (card.members, card.mirrored_axes) == (5, (0, 1, 2))
    assert set(card.figures) == {"dice.cv", "dice.cv.anterior", "dice.cv.posterior"}
    assert card.training is not None
    assert card.training.batch_size == 3
    folders = sorted(path.name for path in (tmp_path / "runs" / "balls-v1").iterdir())
    assert folders == ["fold0", "fold1", "fold2", "fold3", "fold4", "plan.toml"]


def test_one_fold_becomes_a_model_of_its_own_and_all_of_them_go_on_from_it(
    train: Train, models: Path, tmp_path: Path
) -> None:
    assert train("--name", "balls", "--fold", "1").code == 0
    assert set(find_card("balls-fold1", models).figures) == {
        "dice.fold1",
        "dice.fold1.anterior",
        "dice.fold1.posterior",
    }
    before = (tmp_path / "runs/balls-v1/fold1/checkpoint.pt").stat().st_mtime_ns
    assert train("--name", "balls", "--fold", "all").code == 0
    assert (tmp_path / "runs/balls-v1/fold1/checkpoint.pt").stat().st_mtime_ns == before
    assert find_card("balls", models).members == 5


@pytest.mark.parametrize("configuration", ["3d_fullres", "2d"])
def test_a_diffusion_model_is_trained_by_folds_and_samples(
    train: Train, verisim: Command, models: Path, tmp_path: Path, output: Path, configuration: str
) -> None:
    options = ("--network", "medsegdiff", "--configuration", configuration)
    assert train("--name", "balls", "--fold", "all", *options).code == 0
    card = find_card("balls", models)
    assert card.sampling is not None
    assert "by diffusion" in card.description
    case = tmp_path / "data/images/case_0.nii.gz"
    answer = ("-o", output / "a.nii.gz", "--model", "balls", "--models", models, "--json")
    run = verisim("segment", case, *answer, "--steps", 1)
    assert run.code == 0
    assert {len(v) for v in run.facts["cases"][0]["sampled"]["volumes_ml"].values()} == {5}


def test_slices_are_trained_and_answer_volumes(
    train: Train, verisim: Command, models: Path, tmp_path: Path, output: Path
) -> None:
    options = ("--configuration", "2d", "--train-split", "all", "--val-split", "all")
    assert train("--name", "slices", *options).code == 0
    card = find_card("slices", models)
    assert (card.configuration, card.patch_size, card.mirrored_axes) == ("2d", (16, 16, 1), (0, 1))
    answer = ("-o", output / "a.nii.gz", "--model", "slices", "--models", models)
    assert verisim("segment", tmp_path / "data/images/case_0.nii.gz", *answer).code == 0


def test_a_cascade_is_given_the_answers_of_its_first_stage(
    train: Train, verisim: Command, models: Path, tmp_path: Path, output: Path
) -> None:
    second = ("--name", "fine", "--configuration", "3d_cascade_fullres", "--previous", "coarse")
    low = ("--name", "coarse", "--configuration", "3d_lowres")
    assert train(*low).code == 0
    early = train(*second)
    assert (early.code, early.facts["error"]["code"]) == (2, "not_found")
    assert "--fold all" in early.facts["error"]["remedy"]
    assert train(*low, "--fold", "all").code == 0
    assert find_card("coarse", models).version == 2
    assert train(*second, "--fold", "all").code == 0
    card = find_card("fine", models)
    assert (card.previous, card.members, card.inputs) == ("coarse", 5, 3)
    answer = ("-o", output / "a.nii.gz", "--model", "fine", "--models", models)
    assert verisim("segment", tmp_path / "data/images/case_0.nii.gz", *answer).code == 0


@pytest.mark.slow
def test_a_training_in_minutes_says_what_it_gives_up_and_keeps_its_schedule(
    train: Train, models: Path, tmp_path: Path
) -> None:
    run = train("--name", "quick", "--minutes", "0.15")
    assert run.code == 0
    planned = read_planned(tmp_path / "runs" / "quick-v1")
    assert planned is not None
    assert f"{planned.schedule.iterations:,} iterations instead of nnU-Net's 250,000" in run.err
    card = find_card("quick", models)
    assert card.training is not None
    assert card.training.iterations == planned.schedule.iterations
    again = train("--name", "other", "--run", tmp_path / "runs" / "quick-v1", "--minutes", "99")
    assert again.code == 0
    resumed = find_card("other", models).training
    assert resumed is not None
    assert resumed.iterations == planned.schedule.iterations


def test_a_fine_tuning_in_minutes_keeps_its_schedule(train: Train, tmp_path: Path) -> None:
    run = train("--from", "tiny", "--minutes", "0.1")
    assert run.code == 0
    planned = read_planned(tmp_path / "runs" / "tiny-v2")
    assert planned is not None
    assert not planned.lighter
    assert planned.schedule.batch_size == 1
    lines = (tmp_path / "runs" / "tiny-v2" / "curves.csv").read_text().splitlines()
    assert lines[-1].startswith(f"{planned.schedule.iterations},")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--fold", "5"), "bad_input", "no fold '5'"),
        (("--fold", "two"), "bad_input", "no fold 'two'"),
        (("--mirror", "left"), "bad_input", "no axes to mirror"),
        (("--minutes", "3", "--iterations", "5"), "bad_input", "--minutes and --iterations"),
        (("--configuration", "4d"), "bad_input", "no configuration '4d'"),
        (("--configuration", "3d_cascade_fullres"), "bad_input", "follows 3d_lowres"),
        (("--plan", "nowhere.toml"), "not_found", "nowhere.toml"),
        (("--subject-table", "nowhere.csv"), "not_found", "nowhere.csv"),
        (("--subject-pattern", "(case)", "--fold", "all"), "bad_dataset", "1 subject"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(
    train: Train, arguments: tuple[str, ...], code: str, words: str, tmp_path: Path
) -> None:
    before = listing(tmp_path)
    run = train("--name", "balls", *arguments)
    assert run.code == 2
    assert run.facts["error"]["code"] == code
    assert words in run.facts["error"]["message"]
    assert listing(tmp_path) == before


def test_folds_are_not_fine_tuned(train: Train, models: Path) -> None:
    run = train("--from", "tiny", "--fold", "all")
    assert run.facts["error"]["code"] == "bad_input"


def test_images_of_different_subjects_that_look_the_same_are_noted(
    train: Train, tmp_path: Path
) -> None:
    for k in (0, 4):
        files.write(tmp_path / "data" / "images" / f"case_{k}.nii.gz", an_image(0))
        files.write(tmp_path / "data" / "labels" / f"case_{k}.nii.gz", a_truth())
    run = train("--name", "balls", "--fold", "all")
    assert run.code == 0
    assert "case_0 and case_4 (1.00)" in run.err


@pytest.mark.slow
def test_without_a_plan_one_is_made_kept_and_lightened_for_a_processor(
    verisim: Command, a_dataset: Path, models: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    once = ("--name", "boxes", "--iterations", 1, "--models", models, "--run", run)
    done = verisim("train", a_dataset, *once, "--device", "cpu")
    assert done.code == 0
    assert "16 instead of 32 features" in done.err
    card = find_card("boxes", models)
    assert card.network.features[0] == 16
    assert 'name = "3d_fullres"' in (run / "plan.toml").read_text()
