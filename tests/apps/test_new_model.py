"""A new model is planned and trained from the labels that people approved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from monailabel.datastore.local import LocalDatastore

from lib.models import Models
from lib.new_model import TRAINER, NewModel, new_dataset
from lib.train_stats import TrainStats, read_stats
from tests.apps.client import infer, refusal, taken_apart, voxels
from tests.apps.running import Server, a_tiny_model, running
from tests.apps.studies import open_studies, write_case
from verisim import files
from verisim.errors import BadDataset, BadInput, Conflict
from verisim.planning import read_plan
from verisim.segmentation import NetworkSegmenter
from verisim.training.options import NewModelOptions
from verisim.training.schedule import Schedule

SHORT = {"name": "boxes", "max_epochs": 2, "iterations_per_epoch": 2, "device": "cpu"}
NAMES = {"label_1": 1, "label_2": 2}


@pytest.fixture
def studies(tmp_path: Path) -> LocalDatastore:
    """Five labelled cases and one that only a model has labelled."""
    folder = tmp_path / "studies"
    for k in range(5):
        write_case(folder, f"case_{k}", seed=k)
    write_case(folder, "case_5", seed=5, tags=["original"])
    return open_studies(folder)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with the model "tiny"."""
    a_tiny_model(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def new_model(models: Path) -> NewModel:
    return NewModel(Models(models), models)


def test_a_new_model_is_planned_trained_and_written(
    new_model: NewModel, studies: LocalDatastore, models: Path
) -> None:
    answer = new_model(SHORT | {"val_split": 0.4, "description": "Two boxes."}, studies)
    card = Models(models).card("boxes")
    assert (answer["model"], answer["version"]) == ("boxes", 1)
    assert (answer["train_cases"], answer["validation_cases"]) == (3, 2)
    assert (card.description, dict(card.labels)) == ("Two boxes.", NAMES)
    assert card.figures == answer["figures"]
    assert card.mirrored_axes == (0, 1, 2)
    assert card.training is not None
    assert (card.training.iterations, card.training.initialized_from) == (4, "")
    plan = read_plan(models / "training" / TRAINER / "plan.toml")
    assert card.patch_size == plan.default.patch_size
    NetworkSegmenter(card)  # its weights are those that the card describes
    assert not list((models / "training").rglob("checkpoint.pt"))


def test_the_stats_tell_epochs_and_the_answer(
    new_model: NewModel, studies: LocalDatastore
) -> None:
    assert new_model.stats() == {}
    answer = new_model(SHORT, studies)
    stats = new_model.stats()
    assert (stats["epoch"], stats["total_epochs"]) == (2, 2)
    assert stats["answer"] == answer
    assert stats["best_metric"] == pytest.approx(answer["figures"]["dice.val"], abs=0.02)


def test_all_folds_become_one_model_of_five_networks(
    new_model: NewModel, studies: LocalDatastore, models: Path
) -> None:
    answer = new_model(SHORT | {"fold": "all", "max_epochs": 1}, studies)
    card = Models(models).card("boxes")
    assert card.members == answer["networks"] == 5
    assert "dice.cv" in answer["figures"]
    stats = new_model.stats()
    assert (stats["epoch"], stats["total_epochs"]) == (5, 5)


@pytest.mark.parametrize("fold", [0, "4"])
def test_one_fold_validates_the_cases_that_it_holds_out(
    fold: int | str, studies: LocalDatastore
) -> None:
    options = NewModelOptions.asked_for(SHORT | {"fold": fold})
    dataset = new_dataset(studies, options)
    expected = dataset.folds(within="all")[int(fold)]
    assert dataset.split("val") == expected.validation
    assert dataset.split("train") == expected.training
    assert len(dataset.split("val")) == 1


def test_minutes_decide_how_long_it_takes(
    new_model: NewModel, studies: LocalDatastore, models: Path
) -> None:
    endless = {"max_epochs": 10_000, "iterations_per_epoch": 10_000}
    answer = new_model(SHORT | endless | {"minutes": 0.05}, studies)
    training = Models(models).card("boxes").training
    assert training is not None
    assert training.iterations == answer["iterations"] < 10_000 * 10_000


@pytest.mark.parametrize("name", ["", "Liver", "new_model", "../x", "a b", "-x", "ä"])
def test_a_name_that_cannot_name_a_model_is_refused(
    name: str, new_model: NewModel, studies: LocalDatastore
) -> None:
    with pytest.raises(BadInput, match=r"name.*lower-case letters"):
        new_model.check(SHORT | {"name": name}, studies)


def test_a_name_that_is_taken_is_refused(
    new_model: NewModel, studies: LocalDatastore, models: Path
) -> None:
    asked = SHORT | {"name": "tiny"}
    with pytest.raises(Conflict, match=r"'tiny'.*POST /train/tiny"):
        new_model.check(asked, studies)
    with pytest.raises(Conflict):
        new_model(asked, studies)
    assert new_model.stats()["error"]["code"] == "conflict"
    assert set(Models(models).names) == {"tiny"}


@pytest.mark.parametrize(("fold", "needed"), [("none", 2), ("0", 5), ("all", 5)])
def test_too_few_cases_are_refused(
    fold: str, needed: int, new_model: NewModel, tmp_path: Path
) -> None:
    for k in range(needed - 1):
        write_case(tmp_path / "few", f"case_{k}", seed=k)
    few = open_studies(tmp_path / "few")
    with pytest.raises(BadDataset, match=rf"{needed - 1} case\(s\).*at least {needed}"):
        new_model.check(SHORT | {"fold": fold}, few)


def test_cases_of_too_few_subjects_are_refused(
    new_model: NewModel, studies: LocalDatastore
) -> None:
    with pytest.raises(BadDataset, match="belong to the subject"):
        new_model.check(SHORT | {"subject_pattern": "(case)_"}, studies)


@pytest.mark.parametrize(
    "option",
    [
        {"minutes": -1},
        {"minutes": float("inf")},
        {"max_epochs": 0},
        {"fold": "5"},
        {"fold": -1},
        {"plan": "by hand"},
        {"mirror": "q"},
        {"channel": ""},
        {"labels": 3},
        {"labels": "liver,,tumour"},
        {"labels": "liver, liver"},
        {"device": "tpu:9"},
    ],
)
def test_an_option_out_of_bounds_is_named(
    option: dict[str, Any], new_model: NewModel, studies: LocalDatastore
) -> None:
    with pytest.raises(BadInput, match=next(iter(option))):
        new_model.check(SHORT | option, studies)


def test_what_the_stock_panel_sends_back_is_understood(new_model: NewModel) -> None:
    sent = new_model.config() | {"name": "x", "minutes": 1, "client_id": "slicer"}
    options = NewModelOptions.asked_for(sent)
    assert (options.fold, options.plan, options.mirror) == ("none", "auto", "xyz")
    assert new_model.info()["config"].keys() == new_model.info()["bounds"].keys()


def test_epochs_are_counted_over_all_networks(tmp_path: Path) -> None:
    stats = TrainStats(tmp_path)
    stats.planned(Schedule(iterations=25, validate_every=10), networks=2)
    assert stats.total_epochs == 6
    header = "iteration,learning_rate,loss,score,average_score,seconds\n"
    for k, lines in enumerate(
        ["10,1,0.5,0.9,0.5,1\n25,1,0.4,0.7,0.6,2\n", "10,1,0.4,0.6,0.7,3\n"]
    ):
        (tmp_path / f"fold{k}").mkdir()
        (tmp_path / f"fold{k}" / "curves.csv").write_text(header + lines)
    stats.advance(30, 50)
    told = read_stats(tmp_path)
    assert told["epoch"] == 4
    assert told["best_metric"] == 0.6  # of the look whose average chose the weights


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose studies are labelled over its own routes."""
    with running(tmp_path_factory.mktemp("training-server")) as started:
        yield started


def send(server: Server, folder: Path, name: str, seed: int) -> None:
    """Upload a volume, and its label as a person approved it."""
    write_case(folder, name, seed)
    image, label = folder / f"{name}.nii.gz", folder / "labels" / "final" / f"{name}.nii.gz"
    told = {"label_info": [{"name": "bright", "idx": 1}, {"name": "dark", "idx": 2}]}
    url = f"{server.url}/datastore"
    sent = {"file": (image.name, image.read_bytes())}
    assert requests.put(f"{url}/image?image={name}", files=sent, timeout=30).ok
    form = {
        "label": (label.name, label.read_bytes()),
        "params": (None, str(told).replace("'", '"')),
    }
    assert requests.put(f"{url}/label?image={name}&tag=final", files=form, timeout=30).ok


def ended(server: Server) -> dict[str, Any]:
    """The training's task when it is over."""
    while True:
        task: dict[str, Any] = requests.get(f"{server.url}/train/", timeout=30).json()
        if task["status"] not in ("SUBMITTED", "RUNNING"):
            return task
        time.sleep(0.5)


def test_a_request_trains_a_model_that_is_listed_and_answers_without_a_restart(
    own_server: Server, tmp_path: Path
) -> None:
    url = f"{own_server.url}/train/{TRAINER}"
    assert refusal(requests.post(url, json=SHORT, timeout=30)) == (422, "bad_dataset")
    for k in range(3):
        send(own_server, tmp_path, f"box_{k}", seed=k)
    info = requests.get(f"{own_server.url}/info/", timeout=30).json()
    assert list(info["trainers"])[-1] == TRAINER  # stock clients choose the first
    assert info["trainers"][TRAINER]["config"]["fold"][0] == "none"
    for wrong, answer in (
        ({"name": "tiny"}, (409, "conflict")),
        ({"name": "No"}, (400, "bad_input")),
        ({"minutes": "long"}, (400, "bad_input")),
        ({"fold": "all"}, (422, "bad_dataset")),
    ):
        assert refusal(requests.post(url, json=SHORT | wrong, timeout=30)) == answer
    assert requests.post(url, json=SHORT, timeout=30).json()["status"] in ("SUBMITTED", "RUNNING")
    task = ended(own_server)
    assert task["status"] == "DONE", task["details"]
    info = requests.get(f"{own_server.url}/info/", timeout=30).json()
    assert info["models"]["boxes"]["labels"] == {"bright": 1, "dark": 2}
    stats = info["train_stats"][TRAINER]
    assert (stats["epoch"], stats["answer"]["model"]) == (2, "boxes")
    reply = taken_apart(infer(own_server, {"image": "box_0"}, model="boxes"))
    segmenter = NetworkSegmenter(Models(own_server.models).card("boxes"))
    found = segmenter(files.read(own_server.studies / "box_0.nii.gz")).label_map
    np.testing.assert_array_equal(voxels(reply), found.array)
    again = requests.post(url, json=SHORT, timeout=30)
    assert refusal(again) == (409, "conflict")
