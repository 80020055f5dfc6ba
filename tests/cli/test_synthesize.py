"""Generators on the command line: trained, asked, compared, and refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.apps.running import a_generator_card, a_tiny_model, untrained
from tests.cli.conftest import Command
from tests.training.balls import write_balls
from verisim import files
from verisim.card import read_card
from verisim.cli import evaluate_use
from verisim.volume import LabelMap


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    untrained(a_generator_card(), folder)
    a_tiny_model(folder)
    return folder


def made(folder: Path) -> list[np.ndarray]:
    return [files.read(path).array for path in sorted((folder / "imagesTr").iterdir())]


def test_cases_are_made_and_kept_and_the_same_again(
    verisim: Command, models: Path, tmp_path: Path
) -> None:
    asked = ("synthesize", "maker", "--models", models, "--json", "-n")
    first = verisim(*asked, 2, "-o", tmp_path / "one", "--picture", tmp_path / "all.png")
    assert first.code == 0
    assert len(first.facts["written"]) == 2
    assert "Not audited" in first.err
    assert (tmp_path / "all.png").read_bytes().startswith(b"\x89PNG")
    more = verisim(*asked, 3, "-o", tmp_path / "one")
    assert (len(more.facts["written"]), more.facts["kept"]) == (1, 2)
    verisim(*asked, 3, "-o", tmp_path / "other")
    for one, other in zip(made(tmp_path / "one"), made(tmp_path / "other"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_wish_is_in_the_record(verisim: Command, models: Path, tmp_path: Path) -> None:
    wish = ("--seed", 7, "--steps", 2, "--solver", "heun", "--guidance", 1, "--first", 5)
    run = verisim("synthesize", "maker", "--models", models, "-o", tmp_path / "set", *wish)
    assert run.code == 0
    (path,) = (tmp_path / "set" / "provenance").iterdir()
    told = json.loads(path.read_text())
    wanted = {"seed": 7, "steps": 2, "solver": "heun", "guidance": 1.0, "number": 5}
    assert wanted.items() <= told.items()


def test_images_are_made_for_label_maps(verisim: Command, models: Path, tmp_path: Path) -> None:
    array = np.zeros((10, 12, 9), np.uint8)
    array[2:5, 3:9, 2:7], array[5:8, 3:9, 2:7] = 1, 2
    given = LabelMap(array, np.eye(4), {"anterior": 1, "posterior": 2})
    files.write(tmp_path / "drawn.nii.gz", given)
    run = verisim(
        *("synthesize", "maker", "--models", models, "-o", tmp_path / "set"),
        *("--labels", tmp_path / "drawn.nii.gz", "--format", "dicom"),
    )
    assert run.code == 0
    (label,) = (tmp_path / "set" / "labelsTr").iterdir()
    np.testing.assert_array_equal(files.read_label_map(label).array, array)
    (series,) = (tmp_path / "set" / "imagesTr").iterdir()
    assert len(list(series.iterdir())) == 9


def test_chance_shows_the_label_maps_of_a_data_set(verisim: Command, tmp_path: Path) -> None:
    write_balls(tmp_path / "balls", 7, 2)
    run = verisim(
        *("synthesize", "random-contrast", "--labels", tmp_path / "balls", "--json"),
        *("-n", 4, "-o", tmp_path / "set", "--picture", tmp_path / "all.png"),
    )
    assert run.code == 0, run.err
    assert len(run.facts["written"]) == 4
    assert "as private as" in run.err
    (path, *_) = (tmp_path / "set" / "provenance").iterdir()
    assert json.loads(path.read_text())["sha256"] == ""


def test_use_is_evaluated_with_all_real_cases_or_a_few(verisim: Command, tmp_path: Path) -> None:
    write_balls(tmp_path / "balls", 7, 2)
    made = verisim(
        *("synthesize", "random-contrast", "--labels", tmp_path / "balls"),
        *("-n", 3, "-o", tmp_path / "set"),
    )
    assert made.code == 0, made.err
    shared = ("evaluate-use", tmp_path / "balls", "--iterations", 1, "--json")
    kept = ("--work", tmp_path / "work")
    run = verisim(*shared, *kept, "--synthetic", tmp_path / "set", "--arms", "real,both")
    assert run.code == 0, run.err
    assert [row["arm"] for row in run.facts["arms"]] == ["real", "both"]
    few = verisim(
        *(*shared, *kept, "--real-cases", "1,2", "--generator", "random-contrast", "-n", 3)
    )
    assert few.code == 0, few.err
    assert [row["real"] for row in few.facts["arms"]] == [1, 1, 2, 2]
    assert {row["cases"] for row in few.facts["use"]} == {1, 2, 4, 5}


def test_synthesize_evaluates_the_use_of_what_it_made(
    verisim: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate_use, "ITERATIONS", 1)
    monkeypatch.setattr(evaluate_use, "WORK", tmp_path / "work")
    write_balls(tmp_path / "balls", 7, 2)
    run = verisim(
        *("synthesize", "random-contrast", "--labels", tmp_path / "balls", "-n", 2),
        *("-o", tmp_path / "set", "--evaluate-use", tmp_path / "balls", "--json"),
    )
    assert run.code == 0, run.err
    assert [row["arm"] for row in run.facts["use"]] == ["real", "synthetic", "both"]
    assert len(run.facts["written"]) == 2


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ((), "--synthetic"),
        (("--synthetic", "x", "--real-cases", "5"), "--synthetic"),
        (("--real-cases", "five"), "five"),
        (("--real-cases", "50"), "50"),
        (("--real-cases", "5", "--arms", "no", "--generator", "random-contrast", "-n", 1), "no"),
    ],
)
def test_a_use_that_cannot_be_evaluated_is_refused(
    verisim: Command, tmp_path: Path, asked: tuple[object, ...], word: str
) -> None:
    write_balls(tmp_path / "balls", 7, 2)
    run = verisim("evaluate-use", tmp_path / "balls", *asked, "--work", tmp_path / "work")
    assert run.code == 2
    assert word in run.err


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (("random-contrast",), "none is given"),
        (("random-contrast", "--steps", 5, "--labels", "balls"), "no setting steps"),
        (("tiny",), "makes no cases"),
        (("absent",), "absent"),
        (("maker", "--guidance", -1), "guidance"),
        (("maker", "--seed", -1), "seed"),
        (("maker", "--steps", 0), "steps"),
        (("maker", "--labels", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_made_is_refused(
    verisim: Command, models: Path, tmp_path: Path, asked: tuple[object, ...], word: str
) -> None:
    run = verisim("synthesize", *asked, "--models", models, "-o", tmp_path / "set")
    assert run.code == 2
    assert word in run.err
    assert not (tmp_path / "set").exists()


def test_a_generator_is_trained_and_asked_and_compared(verisim: Command, tmp_path: Path) -> None:
    write_balls(tmp_path / "balls", 14, 6)
    models = tmp_path / "models"
    run = verisim(
        *("train-generator", tmp_path / "balls", "--name", "balls", "--iterations", 2),
        *("--models", models, "--run", tmp_path / "run", "--json"),
    )
    assert run.code == 0, run.err
    card = read_card(models / "balls-v1.toml")
    assert card.kind == "synthesis"
    assert card.training is not None
    assert card.training.cases == 8
    assert card.seconds_per_volume > 0
    asked = verisim("synthesize", "balls", "--models", models, "-o", tmp_path / "set", "-n", 6)
    assert asked.code == 0, asked.err
    a_tiny_model(models)
    told = verisim(
        *("fidelity", tmp_path / "set", tmp_path / "balls", "--embedding", "tiny"),
        *("--models", models, "--json"),
    )
    assert told.code == 0, told.err
    assert {one["embedding"] for one in told.facts["features"]} == {
        *("tiny v1", "tiny v1, random weights")
    }
    assert told.facts["cases"] == 6
    compared = verisim(
        *("compare-samplers", "balls", tmp_path / "balls", "--embedding", "tiny", "--json"),
        *("--models", models, "--solvers", "ddim", "--evaluations", "2,4"),
        *("--picture", tmp_path / "samplers.png"),
    )
    assert compared.code == 0, compared.err
    rows = compared.facts["rows"]
    assert [row["name"] for row in rows] == ["real", "dpm-solver", "ddim", "ddim"]
    assert [row["evaluations"] for row in rows[2:]] == [2, 4]
    assert (tmp_path / "samplers.png").is_file()


def test_latent_diffusion_is_not_joint(verisim: Command, tmp_path: Path) -> None:
    write_balls(tmp_path / "balls", 7, 2)
    run = verisim(
        *("train-generator", tmp_path / "balls", "--name", "balls", "--network", "latent"),
        *("--joint", "--models", tmp_path / "models", "--run", tmp_path / "run"),
    )
    assert run.code == 2
    assert "Leave out --joint" in run.err
    assert not (tmp_path / "run").exists()


def test_a_plan_of_few_stages_has_no_autoencoder(verisim: Command, tmp_path: Path) -> None:
    write_balls(tmp_path / "balls", 7, 2)
    run = verisim(
        *("train-generator", tmp_path / "balls", "--name", "balls", "--network", "latent"),
        *("--models", tmp_path / "models", "--run", tmp_path / "run"),
    )
    assert run.code == 2
    assert "small volumes need no autoencoder" in " ".join(run.err.split())


def test_four_cases_teach_nothing(verisim: Command, tmp_path: Path) -> None:
    write_balls(tmp_path / "balls", 5, 1)
    run = verisim(
        *("train-generator", tmp_path / "balls", "--name", "balls", "--iterations", 2),
        *("--models", tmp_path / "models", "--run", tmp_path / "run"),
    )
    assert run.code == 2
    assert "only repeat" in run.err
    assert not (tmp_path / "run").exists()


def test_synthesize_compares_samplers_in_place_of_making_cases(
    verisim: Command, models: Path, tmp_path: Path
) -> None:
    both = verisim("synthesize", "maker", "-o", tmp_path / "set", "--compare-samplers", tmp_path)
    neither = verisim("synthesize", "maker", "--models", models)
    for run in (both, neither):
        assert run.code == 2
        assert "--compare-samplers" in run.err
    write_balls(tmp_path / "balls", 5, 2)
    few = verisim(
        *("synthesize", "maker", "--models", models),
        *("--compare-samplers", tmp_path / "balls"),
    )
    assert few.code == 2
    assert "too few" in few.err


@pytest.mark.parametrize(
    "wrong", [("--solvers", "magic"), ("--evaluations", "few"), ("--evaluations", "0")]
)
def test_samplers_that_are_none_are_refused(
    verisim: Command, models: Path, tmp_path: Path, wrong: tuple[str, str]
) -> None:
    run = verisim("compare-samplers", "maker", tmp_path, "--models", models, *wrong)
    assert run.code == 2
    assert wrong[1] in run.err


def test_a_generator_learns_on_as_its_next_version(verisim: Command, tmp_path: Path) -> None:
    write_balls(tmp_path / "balls", 9, 2)
    models = tmp_path / "models"
    shared = ("--iterations", 2, "--models", models, "--run")
    first = verisim(
        "train-generator", tmp_path / "balls", "--name", "balls", *shared, tmp_path / "1"
    )
    assert first.code == 0, first.err
    again = verisim(
        "train-generator", tmp_path / "balls", "--from", "balls", *shared, tmp_path / "2"
    )
    assert again.code == 0, again.err
    card = read_card(models / "balls-v2.toml")
    assert card.training is not None
    assert card.training.initialized_from == "balls v1"
    assert card.weights_path.is_file()
    assert (models / "balls-v1.toml").is_file()


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ((), "--name"),
        (("--name", "new", "--from", "maker"), "--name"),
        (("--from", "tiny"), "makes no cases"),
        (("--from", "maker", "--mirror", "q"), "'q'"),
        (("--name", "new", "--minutes", 1, "--iterations", 5), "--minutes"),
    ],
)
def test_a_training_that_contradicts_itself_is_refused(
    verisim: Command, models: Path, tmp_path: Path, asked: tuple[object, ...], word: str
) -> None:
    write_balls(tmp_path / "balls", 9, 2)
    run = verisim("train-generator", tmp_path / "balls", *asked, "--models", models)
    assert run.code == 2
    assert word in run.err
