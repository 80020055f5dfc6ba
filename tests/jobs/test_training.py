"""Training as a kind of job: snapshot, resuming, and the model that lands only at the end."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.apps.running import a_tiny_model, an_image
from tests.jobs.test_segmenting import Heard
from verisim import files
from verisim.card import ModelCard, read_card
from verisim.dataset import Case, Dataset, split_by_subject
from verisim.errors import Cancelled, Conflict
from verisim.jobs.kind import Settling, Task
from verisim.jobs.snapshot import keep_dataset, kept_dataset
from verisim.jobs.training import Training, taken_in
from verisim.volume import LabelMap

OPTIONS = {"max_epochs": 2, "iterations_per_epoch": 3}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three labelled cases."""
    cases = []
    for n in range(3):
        image, label = (tmp_path / f"Mustermann_{n}.{what}.nii.gz" for what in ("image", "label"))
        volume = an_image(n)
        files.write(image, volume)
        array = np.digitize(volume.array, [95, 110]).astype(np.uint8)
        files.write(label, LabelMap(array, volume.affine, {"anterior": 1, "posterior": 2}))
        cases.append(Case(f"Mustermann_{n}", f"subject {n}", (image,), label))
    labels = {"anterior": 1, "posterior": 2}
    splits = split_by_subject(cases)
    return Dataset("studies", tuple(cases), ("MR",), labels, "unknown", splits)


@pytest.fixture
def card(tmp_path: Path) -> ModelCard:
    """The model that learns on."""
    (tmp_path / "models").mkdir()
    return a_tiny_model(tmp_path / "models")


def a_task(folder: Path, dataset: Dataset, **request: object) -> Task:
    """A training in empty folders."""
    inputs, results, scratch = (folder / name for name in ("inputs", "results", "scratch"))
    for made in (inputs, results, scratch):
        made.mkdir()
    keep_dataset(dataset, inputs)
    return Task({"options": OPTIONS, **request}, "cpu", inputs, results, scratch)


def test_a_snapshot_is_the_data_set_and_stays_as_it_was(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    keep_dataset(dataset, folder)
    expected = dataset.cases[0].volume().array.copy()
    for case in dataset.cases:
        case.images[0].unlink()
    found = kept_dataset(folder)
    assert np.array_equal(found.cases[0].volume().array, expected)
    assert found.splits == dataset.splits
    assert (found.labels, found.channels) == (dataset.labels, dataset.channels)
    assert not [path for path in folder.iterdir() if "Mustermann" in path.name]


@pytest.mark.filterwarnings("ignore::verisim.training.look_alikes.SubjectWarning")
def test_a_model_learns_on_and_lands_only_at_the_end(
    card: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    kind = Training((card.folder,), card.folder)
    task = a_task(tmp_path, dataset, model="tiny")
    heard = Heard()
    answer = kind.run(task, heard)
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] <= 99
    assert isinstance(kind, Settling)
    assert sorted(path.name for path in card.folder.glob("*.toml")) == ["tiny-v1.toml"]
    told = kind.settle(task, answer)
    versions = [2] if answer["improved"] else []
    assert told["version"] == (versions or [1])[-1]
    assert len(list(card.folder.glob("*.toml"))) == 1 + len(versions)
    assert {path.name for path in task.results.iterdir()} == {"report.json", "run-curves.csv"}


def test_an_interrupted_training_goes_on_where_it_was(
    card: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    kind = Training((card.folder,), card.folder)
    task = a_task(tmp_path, dataset, model="tiny")
    whole = Heard()
    with pytest.raises(Cancelled):
        kind.run(task, Heard(stop=8))  # after the first look at the validation cases
    assert (task.scratch / "run" / "checkpoint.pt").is_file()
    kind.run(task, whole)
    steps = [share for share in whole.shares if share > 6]
    assert min(steps) > 6 + 91 / 3


def test_a_new_model_is_planned_trained_and_taken_in(
    card: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    kind = pickle.loads(pickle.dumps(Training((card.folder,), card.folder)))
    options = {**OPTIONS, "max_epochs": 1, "name": "fresh", "channel": "MR"}
    task = a_task(tmp_path, dataset, model="new_model", options=options)
    heard = Heard()
    answer = kind.settle(task, kind.run(task, heard))
    assert answer["model"] == "fresh"
    assert heard.shares == sorted(heard.shares)
    assert read_card(card.folder / "fresh-v1.toml").load() is not None


def test_a_version_that_came_meanwhile_stays(card: ModelCard, tmp_path: Path) -> None:
    folder = tmp_path / "server"
    other = a_tiny_model(tmp_path / "server")
    assert taken_in(card, folder).title == other.title  # the same weights: taken in already
    changed = replace(card, sha256="0" * 64)
    with pytest.raises(Conflict, match="tiny"):
        taken_in(changed, folder)
    second = replace(changed, version=2)
    second.weights_path.write_bytes(card.weights_path.read_bytes())
    assert taken_in(second, folder).version == 2
    third = replace(second, sha256="1" * 64)
    assert taken_in(third, folder).version == 3
