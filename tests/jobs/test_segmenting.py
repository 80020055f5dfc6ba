"""Segmenting as a kind of job: files, answer, progress, another process."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.apps.running import a_diffusion_card, a_tiny_card, a_tiny_model, an_image, untrained
from verisim import files
from verisim.ensembles import segmenter_of
from verisim.errors import BadInput, Cancelled, NotFound, Unavailable
from verisim.jobs.kind import Task
from verisim.jobs.segmenting import Segmenting
from verisim.maps import MAP_KINDS


@dataclass
class Heard:
    """Keeps what it hears, and may ask to stop.

    Args:
        stop: The step at which it asks.
        shares: How far the work was.
    """

    stop: int = 10**9
    shares: list[float] = field(default_factory=list)

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear of a step."""
        if len(self.shares) >= self.stop:
            raise Cancelled("It was stopped.", "Ask again.")
        self.shares.append(100 * done / total)


def a_task(folder: Path, **request: object) -> Task:
    """A volume to be segmented by the tiny model."""
    inputs, results, scratch = (folder / name for name in ("inputs", "results", "scratch"))
    for made in (inputs, results, scratch):
        made.mkdir(exist_ok=True)
    files.write(inputs / "volume.nii.gz", an_image(1, (80, 24, 18)))
    wanted: Mapping[str, Any] = {"model": "tiny", **request}
    return Task(wanted, "cpu", inputs, results, scratch)


@pytest.fixture
def kind(tmp_path: Path) -> Segmenting:
    """Segments with the models of a folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    a_tiny_model(folder)
    return Segmenting((folder,))


def test_it_leaves_the_segmenters_own_label_map(kind: Segmenting, tmp_path: Path) -> None:
    task = a_task(tmp_path, result_extension=".nii.gz")
    answer = kind.run(task, Heard())
    (left,) = task.results.iterdir()
    assert left.name == "label.nii.gz"
    card = a_tiny_model(tmp_path / "models")
    expected = segmenter_of(card)(files.read(task.inputs / "volume.nii.gz")).label_map
    assert np.array_equal(files.read_label_map(left).array, expected.array)
    assert answer["volumes_ml"].keys() == expected.labels.keys()


def test_the_report_is_the_answer(kind: Segmenting, tmp_path: Path) -> None:
    task = a_task(tmp_path, outputs=["label", "report"])
    answer = kind.run(task, Heard())
    assert {path.name for path in task.results.iterdir()} == {"label.nrrd", "report.json"}
    assert json.loads((task.results / "report.json").read_text()) == json.loads(json.dumps(answer))


@pytest.mark.parametrize(
    ("extension", "suffix"),
    [(".nrrd", ".nrrd"), (".nii.gz", ".nii.gz"), (".nii", ".nii"), (".seg.nrrd", ".nrrd")],
)
def test_it_leaves_the_segmenters_own_maps(
    kind: Segmenting, tmp_path: Path, extension: str, suffix: str
) -> None:
    outputs = ["label", "report", "probability", "uncertainty"]
    task = a_task(tmp_path, outputs=outputs, result_extension=extension)
    heard = Heard()
    answer = kind.run(task, heard)
    volume, card = files.read(task.inputs / "volume.nii.gz"), a_tiny_model(tmp_path / "models")
    maps = segmenter_of(card, maps=MAP_KINDS)(volume).maps
    assert answer["maps"] == {
        "probability": {name: f"probability-{name}{suffix}" for name in card.labels},
        "uncertainty": f"uncertainty{suffix}",
    }
    named = answer["maps"]["probability"]
    left = {path.name for path in task.results.iterdir()}
    told = {*named.values(), f"uncertainty{suffix}"}
    assert left == {f"label{extension}", "report.json", *told}
    for name, one in maps.probability.items():
        found = files.read(task.results / named[name])
        np.testing.assert_allclose(found.array, one.values, atol=1e-6)
        assert found.shares_grid(volume)
    assert maps.uncertainty is not None
    found = files.read(task.results / f"uncertainty{suffix}")
    np.testing.assert_allclose(found.array, maps.uncertainty.values, atol=1e-6)
    assert heard.shares == sorted(heard.shares)


@pytest.mark.parametrize("wanted", ["probability", "uncertainty"])
def test_one_kind_of_map_is_left_when_one_is_asked_for(
    kind: Segmenting, tmp_path: Path, wanted: str
) -> None:
    task = a_task(tmp_path, outputs=[wanted])
    answer = kind.run(task, Heard())
    left = {path.name.partition("-")[0].removesuffix(".nrrd") for path in task.results.iterdir()}
    assert left == {"label", wanted}
    assert [name for name, told in answer["maps"].items() if told] == [wanted]


def test_it_stops_between_two_maps(kind: Segmenting, tmp_path: Path) -> None:
    class AtMaps(Heard):
        def advance(self, done: int, total: int, message: str = "") -> None:
            if message == "writing uncertainty.nrrd":
                raise Cancelled("It was stopped.", "Ask again.")

    task = a_task(tmp_path, outputs=["probability", "uncertainty"])
    with pytest.raises(Cancelled):
        kind.run(task, AtMaps())
    assert not (task.results / "uncertainty.nrrd").exists()


def test_progress_never_falls_and_ends_near_the_end(kind: Segmenting, tmp_path: Path) -> None:
    heard = Heard()
    kind.run(a_task(tmp_path), heard)
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[0] == 0
    assert 97 < heard.shares[-1] < 100  # writing is short: else the time left is said too long
    assert len(set(heard.shares)) > 10  # patches start at 9 places along X


@pytest.mark.parametrize("what", ["ensemble", "cascade"])
def test_progress_never_falls_when_models_answer_together(
    what: str, kind: Segmenting, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    made: dict[str, Any] = (
        {"ensemble": ("tiny", "second")} if what == "ensemble" else {"previous": "tiny"}
    )
    untrained(a_tiny_card("second"), folder, 1)
    untrained(replace(a_tiny_card("whole"), **made), folder, 2)
    heard = Heard()
    kind.run(a_task(tmp_path, model="whole"), heard)
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] > 90


def test_it_stops_between_two_patches(kind: Segmenting, tmp_path: Path) -> None:
    task = a_task(tmp_path)
    with pytest.raises(Cancelled):
        kind.run(task, Heard(stop=5))
    assert not list(task.results.iterdir())


def test_a_copy_for_another_machine_answers_the_same(kind: Segmenting, tmp_path: Path) -> None:
    own = Segmenting(kind.folders, networks=_Unsendable())
    sent = pickle.loads(pickle.dumps(own))
    assert sent == kind
    assert sent.run(a_task(tmp_path), Heard())["model"]["name"] == "tiny"


def test_what_cannot_be_answered_is_refused(kind: Segmenting, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nonsense"):
        kind.run(a_task(tmp_path, model="nonsense"), Heard())
    with pytest.raises(BadInput, match="mirror"):
        kind.run(a_task(tmp_path, mirror=True), Heard())


def test_a_diffusion_model_samples_as_it_is_asked(kind: Segmenting, tmp_path: Path) -> None:
    untrained(a_diffusion_card(), tmp_path / "models")
    asked = {"model": "diffusion", "samples": 2, "steps": 3, "seed": 5}
    outputs = ["label", "uncertainty", "samples"]
    task, heard = a_task(tmp_path, outputs=outputs, **asked), Heard()
    first, again = (kind.run(task, heard) for _ in range(2))
    assert first["sampled"] == again["sampled"]
    assert {len(found) for found in first["sampled"]["volumes_ml"].values()} == {2}
    assert first["sampled"]["evaluations"] % 6 == 0
    assert {path.name for path in task.results.iterdir()} == {
        "label.nrrd",
        "uncertainty.nrrd",
        "sample-1.nrrd",
        "sample-2.nrrd",
    }
    for k in range(2):
        path, labels = task.results / f"sample-{k + 1}.nrrd", a_diffusion_card().labels
        sample = files.read_label_map(path, labels)
        for name, volumes in first["sampled"]["volumes_ml"].items():
            assert sample.volumes_ml[name] == pytest.approx(volumes[k], abs=1e-4)
    with pytest.raises(BadInput, match="without samples"):
        kind.run(a_task(tmp_path, samples=2), Heard())


class _Unsendable:
    """Networks that belong to this process."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("These stay here.")


@dataclass
class Kept:
    """Labels that a test looks at."""

    saved: list[tuple[str, bytes, str, str]] = field(default_factory=list)

    def save(self, image: str, label: Path, tag: str, info: Mapping[str, Any]) -> None:
        """Remember."""
        self.saved.append((image, label.read_bytes(), tag, str(info["model"])))


def test_a_label_is_kept_once_however_often_the_end_is_settled(
    kind: Segmenting, tmp_path: Path
) -> None:
    labels = Kept()
    own = replace(kind, labels=labels)
    task = a_task(tmp_path, save_label=True, label_tag="draft", label_of="case_1")
    answer = own.run(task, Heard())
    assert labels.saved == []
    told = [own.settle(task, answer) for _ in range(2)]
    assert told == [{**answer, "label_tag": "draft"}] * 2
    label = (task.results / "label.nrrd").read_bytes()
    assert labels.saved == [("case_1", label, "draft", "tiny")]


def test_no_label_is_kept_of_what_is_no_image_of_the_datastore(
    kind: Segmenting, tmp_path: Path
) -> None:
    labels = Kept()
    own = replace(kind, labels=labels)
    task = a_task(tmp_path, save_label=True)
    answer = own.run(task, Heard())
    assert own.settle(task, answer) == answer
    assert labels.saved == []


def test_where_no_labels_are_kept_that_is_said(kind: Segmenting, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="kept"):
        kind.settle(a_task(tmp_path, label_of="case_1"), {})
