"""Fine-tuning keeps the better version, learns from final labels only, and says why it cannot."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monailabel.datastore.local import LocalDatastore

from lib.labelled import labelled_dataset
from lib.models import Models
from lib.train import FineTuning
from lib.train_stats import TrainStats, read_stats
from tests.apps.studies import open_studies, write_case
from verisim import files
from verisim.card import ModelCard, write_model
from verisim.errors import BadDataset, BadInput, Cancelled
from verisim.metrics import dice
from verisim.networks.weights import weights_of
from verisim.segmentation import NetworkSegmenter
from verisim.training.fit import Fit
from verisim.training.options import TrainingOptions
from verisim.training.schedule import Schedule

SHORT = {"max_epochs": 2, "iterations_per_epoch": 2, "val_split": 0.5, "device": "cpu"}
BETTER = SHORT | {"learning_rate": 1e-2}
WORSE = SHORT | {"learning_rate": 1.0}
LEARNING = Schedule(40, 1, 1e-2, warm_up=5, moving_average=0.8, validate_every=40)


@pytest.fixture
def studies(tmp_path: Path) -> LocalDatastore:
    """Four labelled cases and one that only a model has labelled."""
    folder = tmp_path / "studies"
    for k in range(4):
        write_case(folder, f"case_{k}", seed=k)
    write_case(folder, "case_4", seed=4, tags=["original"])
    return open_studies(folder)


@pytest.fixture
def models(a_card: ModelCard, studies: LocalDatastore, tmp_path: Path) -> Path:
    """A folder with version 1 of the tiny model, which half knows the two boxes."""
    dataset = labelled_dataset(studies, a_card, TrainingOptions())
    Fit(a_card, dataset, LEARNING)(tmp_path / "run", tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def fine_tuning(models: Path) -> FineTuning:
    return FineTuning("tiny", Models(models), models)


def contents(folder: Path) -> dict[str, bytes]:
    """The files directly in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_fine_tuning_that_improves_writes_the_next_version_beside_the_old_one(
    fine_tuning: FineTuning, studies: LocalDatastore, models: Path
) -> None:
    before = contents(models)
    answer = fine_tuning(BETTER, studies)
    assert answer["dice_after"] > answer["dice_before"]
    assert (answer["improved"], answer["version"]) == (True, 2)
    after = contents(models)
    assert after.keys() - before.keys() == {"tiny-v2.toml", "tiny-v2.safetensors"}
    assert before.items() <= after.items()


def test_the_new_version_is_offered_without_a_restart_and_knows_where_it_comes_from(
    fine_tuning: FineTuning, studies: LocalDatastore, models: Path
) -> None:
    running = Models(models)
    assert running.card("tiny").version == 1
    answer = fine_tuning(BETTER, studies)
    card = running.card("tiny")
    assert card.version == 2
    assert card.figures["dice.val"] == answer["dice_after"]
    assert set(card.figures) == {"dice.val", *(f"dice.val.{name}" for name in card.labels)}
    assert card.training is not None
    assert card.training.initialized_from == "tiny v1"
    NetworkSegmenter(card)  # its weights are those that the card describes


def test_a_fine_tuning_that_gets_worse_leaves_the_models_as_they_were(
    fine_tuning: FineTuning, studies: LocalDatastore, models: Path
) -> None:
    before = contents(models)
    answer = fine_tuning(WORSE, studies)
    assert answer["dice_after"] < answer["dice_before"]
    assert (answer["improved"], answer["version"]) == (False, 1)
    assert "tiny v1 stays" in answer["message"]
    assert contents(models) == before


def test_the_present_version_is_judged_on_the_validation_cases_of_the_fine_tuning(
    fine_tuning: FineTuning, studies: LocalDatastore, models: Path
) -> None:
    card = Models(models).card("tiny")
    options = TrainingOptions.asked_for(WORSE)
    segmenter = NetworkSegmenter(card)
    scores = []
    for case in labelled_dataset(studies, card, options).split("val"):
        volume, truth = case.pair(card.labels)
        found = segmenter(volume).label_map
        scores += [dice(found.binary(name), truth.binary(name)) for name in card.labels]
    answer = fine_tuning(WORSE, studies)
    assert answer["dice_before"] == pytest.approx(np.mean(scores), abs=1e-3)


def test_only_final_labels_teach(
    fine_tuning: FineTuning, studies: LocalDatastore, a_card: ModelCard
) -> None:
    names = {case.name for case in labelled_dataset(studies, a_card, TrainingOptions()).cases}
    assert names == {"case_0", "case_1", "case_2", "case_3"}
    answer = fine_tuning(BETTER, studies)
    assert (answer["train_cases"], answer["validation_cases"]) == (2, 2)


@pytest.mark.parametrize("seed", range(5))
def test_no_subject_is_on_both_sides_of_the_split(
    seed: int, tmp_path: Path, a_card: ModelCard
) -> None:
    for subject in ("p1", "p2", "p3"):
        for side in ("left", "right"):
            write_case(tmp_path, f"{subject}_{side}", seed=1)
    options = TrainingOptions(subject_pattern="(p[0-9]+)_", seed=seed, val_split=0.3)
    dataset = labelled_dataset(open_studies(tmp_path), a_card, options)
    training, validation = (
        {case.subject for case in dataset.split(split)} for split in ("train", "val")
    )
    assert training | validation == {"p1", "p2", "p3"}
    assert not training & validation


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_labelled_cases_are_refused(
    count: int, fine_tuning: FineTuning, models: Path, tmp_path: Path
) -> None:
    before = contents(models)
    for k in range(count):
        write_case(tmp_path / "few", f"case_{k}", seed=k)
    with pytest.raises(BadDataset, match=rf"{count} case\(s\).*at least 2.*Label more cases"):
        fine_tuning(BETTER, open_studies(tmp_path / "few"))
    assert contents(models) == before
    assert fine_tuning.stats()["error"]["code"] == "bad_dataset"


def test_two_cases_of_one_subject_are_refused(
    fine_tuning: FineTuning, studies: LocalDatastore
) -> None:
    with pytest.raises(BadDataset, match="belong to the subject 'case'"):
        fine_tuning(BETTER | {"subject_pattern": "(case)_"}, studies)


@pytest.mark.parametrize("pattern", ["patient", "("])
def test_a_subject_pattern_that_finds_nothing_is_refused(
    pattern: str, fine_tuning: FineTuning, studies: LocalDatastore
) -> None:
    with pytest.raises(BadDataset, match="subject pattern"):
        fine_tuning(BETTER | {"subject_pattern": pattern}, studies)


def test_a_label_value_that_the_model_does_not_have_is_refused(
    fine_tuning: FineTuning, studies: LocalDatastore, models: Path
) -> None:
    path = Path(studies.get_label_uri("case_2", "final"))
    label_map = files.read_label_map(path)
    files.write(path, label_map.new(np.where(label_map.array == 2, 7, label_map.array)))
    with pytest.raises(BadDataset, match=r"\[7\]"):
        fine_tuning(BETTER, studies)
    assert set(contents(models)) == {"tiny-v1.toml", "tiny-v1.safetensors"}


def test_a_label_whose_names_were_numbered_anew_is_refused(
    fine_tuning: FineTuning, studies: LocalDatastore
) -> None:
    told = {"label_info": [{"name": "posterior", "idx": 1}]}
    studies.update_label_info("case_1", "final", told)
    with pytest.raises(BadDataset, match="case_1, 1 means 'posterior'"):
        fine_tuning(BETTER, studies)


@pytest.mark.parametrize(
    "option",
    [
        {"max_epochs": 0},
        {"max_epochs": 1001},
        {"max_epochs": "many"},
        {"iterations_per_epoch": 0},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"val_split": 1.0},
        {"seed": -1},
        {"subject_pattern": 3},
    ],
)
def test_an_option_out_of_bounds_is_named(
    option: dict[str, Any], fine_tuning: FineTuning, studies: LocalDatastore, models: Path
) -> None:
    with pytest.raises(BadInput, match=next(iter(option))):
        fine_tuning(BETTER | option, studies)
    assert not (models / "training").exists()


def test_what_the_stock_panel_sends_back_is_understood(fine_tuning: FineTuning) -> None:
    options = TrainingOptions.asked_for(
        fine_tuning.config() | {"max_epochs": "3", "client_id": "slicer", "local_rank": 0}
    )
    assert options.max_epochs == 3
    assert options.device == fine_tuning.config()["device"][0]


def test_info_tells_defaults_that_lie_inside_the_bounds_it_tells(fine_tuning: FineTuning) -> None:
    info = fine_tuning.info()
    assert info["config"].keys() == info["bounds"].keys()
    assert info["bounds"]["max_epochs"]["minimum"] <= info["config"]["max_epochs"]
    assert info["config"]["max_epochs"] <= info["bounds"]["max_epochs"]["maximum"]


def test_the_stats_tell_epochs_and_the_best_score(
    fine_tuning: FineTuning, studies: LocalDatastore
) -> None:
    assert fine_tuning.stats() == {}
    answer = fine_tuning(BETTER, studies)
    stats = fine_tuning.stats()
    assert (stats["epoch"], stats["total_epochs"]) == (2, 2)
    assert stats["best_metric"] == pytest.approx(answer["dice_after"], abs=1e-4)
    assert stats["answer"] == answer
    assert stats["start_ts"] > 0


def test_the_stats_follow_the_curves_while_the_training_runs(tmp_path: Path) -> None:
    stats = TrainStats(tmp_path, total_epochs=5, iterations_per_epoch=10)
    stats.advance(0, 50)
    assert read_stats(tmp_path)["epoch"] == 0
    with (tmp_path / "curves.csv").open("w", newline="") as file:
        header = ["iteration", "learning_rate", "loss", "score", "seconds"]
        csv.writer(file).writerows([header, [10, 1e-3, 0.5, 0.7, 1], [20, 1e-3, 0.4, 0.6, 2]])
    stats.advance(15, 50)
    assert read_stats(tmp_path)["epoch"] == 0  # written once an epoch
    stats.advance(20, 50)
    told = read_stats(tmp_path)
    assert (told["epoch"], told["total_epochs"], told["best_metric"]) == (2, 5, 0.7)
    assert told["eval"]["best_metric_epoch"] == 1


class Impatient:
    """A progress that cancels at the third step of a training."""

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Cancel when it is time."""
        if total == LEARNING.iterations and done == 3:
            raise Cancelled("Cancelled.")


def test_an_interrupted_fine_tuning_leaves_no_model(
    models: Path, studies: LocalDatastore, tmp_path: Path
) -> None:
    before = contents(models)
    card = Models(models).card("tiny")
    dataset = labelled_dataset(studies, card, TrainingOptions())
    with pytest.raises(Cancelled):
        Fit(card, dataset, LEARNING).improve(tmp_path / "again", models, Impatient())
    assert contents(models) == before


def test_nothing_of_an_earlier_run_is_continued(
    fine_tuning: FineTuning, studies: LocalDatastore, models: Path
) -> None:
    first = fine_tuning(WORSE, studies)
    second = fine_tuning(WORSE, studies)
    assert second == first
    assert not (models / "training" / "tiny" / "checkpoint.pt").exists()


def test_a_fine_tuned_model_still_knows_the_sizes_it_learned_before(
    fine_tuning: FineTuning, studies: LocalDatastore, models: Path, tmp_path: Path
) -> None:
    card = Models(models).card("tiny")
    assert card.training is not None
    wider = replace(card.training, extent_mm=((8.0, 8.0, 8.0), (50.0, 60.0, 70.0)))
    write_model(replace(card, training=wider), weights_of(card.load()), models)
    fine_tuning(BETTER, studies)
    following = Models(models).card("tiny").training
    assert following is not None
    assert following.extent_mm == wider.extent_mm
