"""Dice between the labels of two tags."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from monailabel.config import Settings
from monailabel.datastore.local import LocalDatastore

from lib.models import Models
from lib.scoring import DiceScore, label_dice, score_only_when_asked
from tests.apps.studies import open_studies, write_case
from verisim import files
from verisim.card import ModelCard
from verisim.metrics import dice


@pytest.fixture
def scoring(a_trained_model: ModelCard) -> DiceScore:
    return DiceScore(Models(a_trained_model.folder))


@pytest.fixture
def studies(tmp_path: Path) -> LocalDatastore:
    """The case "drawn", whose model was right about anterior and found half of posterior."""
    folder = tmp_path / "studies"
    write_case(folder, "drawn", seed=1, tags=["final", "original"])
    write_case(folder, "new", seed=2, tags=["original"])
    path = folder / "labels" / "original" / "drawn.nii.gz"
    label_map = files.read_label_map(path)
    array = label_map.array.copy()
    found = np.argwhere(array == 2)
    array[tuple(found[::2].T)] = 0
    files.write(path, label_map.new(array))
    datastore = open_studies(folder)
    datastore.update_label_info("drawn", "original", {"model": "tiny"})
    return datastore


def test_each_label_is_scored_where_both_tags_exist(
    scoring: DiceScore, studies: LocalDatastore
) -> None:
    scores = scoring({}, studies)
    assert scores == {"drawn": {"mean": 0.8333, "anterior": 1.0, "posterior": 0.6667}}


def test_the_score_is_stored_with_the_label_that_was_judged(
    scoring: DiceScore, studies: LocalDatastore
) -> None:
    score = scoring({}, studies)["drawn"]
    stored = open_studies(Path(studies._datastore_path)).get_label_info("drawn", "original")
    assert stored["dice"] == {"against": "final", **score}
    assert stored["model"] == "tiny"


def test_the_tags_may_be_swapped(scoring: DiceScore, studies: LocalDatastore) -> None:
    swapped = scoring({"y": "original", "y_pred": "final"}, studies)["drawn"]
    assert sorted(swapped.values()) == sorted(scoring({}, studies)["drawn"].values())


def test_without_a_known_model_labels_are_named_by_their_values(
    scoring: DiceScore, studies: LocalDatastore
) -> None:
    studies.update_label_info("drawn", "original", {"model": "gone"})
    assert scoring({}, studies)["drawn"].keys() == {"mean", "label_1", "label_2"}


def test_a_label_in_neither_file_has_no_score(studies: LocalDatastore) -> None:
    path = Path(studies.get_label_uri("drawn", "final"))
    scores = label_dice(path, path, {"anterior": 1, "posterior": 2, "absent": 3})
    assert scores == {"mean": 1.0, "anterior": 1.0, "posterior": 1.0, "absent": None}


def test_a_label_map_on_a_turned_grid_is_compared_in_place(
    studies: LocalDatastore, tmp_path: Path
) -> None:
    path = Path(studies.get_label_uri("drawn", "final"))
    turned = tmp_path / "turned.nii.gz"
    files.write(turned, files.read_label_map(path).reoriented("LPI"))
    assert label_dice(turned, path, None)["mean"] == 1.0


def test_the_score_is_that_of_the_library(studies: LocalDatastore) -> None:
    judged, truth = (Path(studies.get_label_uri("drawn", tag)) for tag in ("original", "final"))
    masks = (files.read_label_map(path).array == 2 for path in (judged, truth))
    assert label_dice(judged, truth, None)["label_2"] == pytest.approx(dice(*masks), abs=1e-4)


def test_a_label_that_cannot_be_read_tells_why_and_stops_no_other(
    scoring: DiceScore, studies: LocalDatastore
) -> None:
    studies.save_label("new", studies.get_label_uri("new", "original"), "final", {})
    Path(studies.get_label_uri("new", "final")).write_bytes(b"")
    scores = scoring({}, studies)
    assert "empty" in scores["new"]["error"]
    assert scores["drawn"]["anterior"] == 1.0


@pytest.mark.parametrize(("chosen", "wanted"), [(None, False), ("true", True), ("false", False)])
def test_scoring_runs_by_itself_only_if_somebody_switched_it_on(
    chosen: str | None, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "MONAI_LABEL_AUTO_UPDATE_SCORING"
    monkeypatch.delenv(name, raising=False)
    if chosen is not None:
        monkeypatch.setenv(name, chosen)
    settings = Settings()
    monkeypatch.setattr("lib.scoring.settings", settings)
    score_only_when_asked()
    assert wanted == settings.MONAI_LABEL_AUTO_UPDATE_SCORING
    assert os.environ[name].lower() == str(wanted).lower()  # what the processes of jobs see
