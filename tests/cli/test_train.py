"""`verisim train`: from a folder of labelled cases to a model, and on where it stopped."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Run, in_a_process, listing
from tests.training.tiny_plan import write_plan
from verisim.installed import find_card

Train = Callable[..., Run]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan of one tiny network."""
    return write_plan(tmp_path / "tiny-plan.toml")


@pytest.fixture
def train(
    verisim: Command,
    a_dataset: Path,
    models: Path,
    plan: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Train:
    """Train a tiny network of that name for two steps, unless told otherwise."""
    monkeypatch.chdir(tmp_path)
    once = ("--iterations", 2, "--validate-every", 2, "--models", models)

    def run(*arguments: object) -> Run:
        planned = () if "--from" in arguments else ("--plan", plan)
        return verisim("train", a_dataset, *once, *planned, *arguments)

    return run


def test_a_data_set_becomes_a_model_that_segments(
    train: Train, verisim: Command, a_dataset: Path, models: Path, output: Path
) -> None:
    run = train("--name", "boxes", "--description", "Finds boxes.", "--json")
    assert run.code == 0
    assert run.facts["model"]["description"] == "Finds boxes."
    assert run.facts["written"] is True
    assert run.facts["model"]["labels"] == {"anterior": 1, "posterior": 2}
    assert run.facts["model"]["training"]["data"] == "Boxes"
    assert "dice.val" in run.facts["model"]["figures"]
    image = a_dataset / "imagesTr" / "s3_a.nii.gz"
    answer = ("-o", output / "label.nii.gz", "--model", "boxes", "--models", models)
    assert verisim("segment", image, *answer).code == 0


def test_a_run_goes_on_where_it_stopped(train: Train, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train("--name", "boxes", "--run", run)
    train("--name", "boxes", "--run", run, "--iterations", 4)
    steps = [
        int(row["iteration"])
        for row in csv.DictReader((run / "curves.csv").read_text().splitlines())
    ]
    assert steps == [2, 4]


def test_the_seed_decides_the_weights(train: Train, models: Path, tmp_path: Path) -> None:
    sums = []
    for k, seed in enumerate((7, 7, 8)):
        name = f"boxes-{'abc'[k]}"
        assert train("--name", name, "--seed", seed, "--run", tmp_path / name).code == 0
        weights = find_card(name, models).load().state_dict()
        sums.append([float(tensor.double().sum()) for tensor in weights.values()])
    assert sums[0] == sums[1]
    assert sums[0] != sums[2]


def test_fine_tuning_writes_the_next_version_or_says_why_not(train: Train, models: Path) -> None:
    before = find_card("tiny", models)
    run = train("--from", "tiny", "--json")
    assert run.code == 0
    assert before.weights_path.is_file()
    after = find_card("tiny", models)
    assert after.version == before.version + run.facts["written"]
    assert ("tiny v1 stays" in run.err) is not run.facts["written"]
    assert run.facts["model"]["version"] == after.version


def test_a_person_reads_where_the_weights_are(train: Train, models: Path) -> None:
    run = train("--name", "boxes")
    assert str(models / "boxes-v1.safetensors") in run.out
    assert "boxes v1: dice.val " in run.out
    assert "runs/boxes-v1" in run.err


@pytest.mark.parametrize("both", [(), ("--name", "boxes", "--from", "tiny")])
def test_a_training_has_a_new_name_or_a_start_not_both(
    train: Train, both: tuple[str, ...], models: Path
) -> None:
    before = listing(models)
    run = train(*both, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "bad_input"
    assert "--name" in run.facts["error"]["message"]
    assert listing(models) == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--name", "Two Words"), "bad_card"),
        (("--from", "no-such-model"), "not_found"),
        (("--name", "boxes", "--train-split", "test"), "not_found"),
        (("--name", "boxes", "--device", "cuda:99"), "unavailable"),
        (("--name", "boxes", "--iterations", "0"), "usage"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(
    train: Train, arguments: tuple[str, ...], code: str, tmp_path: Path
) -> None:
    before = listing(tmp_path)
    run = train(*arguments, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == code
    assert listing(tmp_path) == before


def test_training_in_its_own_process_prints_one_json_object(
    a_dataset: Path, models: Path, tmp_path: Path
) -> None:
    few = ("--iterations", 1, "--run", tmp_path / "run", "--models", models)
    run = in_a_process("train", a_dataset, "--from", "tiny", *few, "--json")
    assert run.code == 0
    assert run.facts["model"]["name"] == "tiny"
    assert "Warning" not in run.err
