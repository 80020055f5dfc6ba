"""Making synthetic cases as a kind of job: files, answer, going on, another process."""

from __future__ import annotations

import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.apps.running import a_generator_card, a_tiny_model, untrained
from verisim import files
from verisim.dataset import open_dataset
from verisim.errors import BadCard, BadInput, Cancelled, NotFound
from verisim.installed import find_card
from verisim.jobs.kind import Task
from verisim.jobs.synthesizing import Synthesizing
from verisim.networks.attributes import Attribute
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.progress import SILENT
from verisim.volume import LabelMap


@pytest.fixture
def kind(tmp_path: Path) -> Synthesizing:
    folder = tmp_path / "models"
    untrained(a_generator_card(), folder)
    return Synthesizing((folder,))


def a_task(folder: Path, **request: object) -> Task:
    inputs, results, scratch = (folder / name for name in ("inputs", "results", "scratch"))
    for made in (inputs, results, scratch):
        made.mkdir(parents=True, exist_ok=True)
    return Task({"model": "maker", **request}, "cpu", inputs, results, scratch)


def unpacked(task: Task, folder: Path) -> Path:
    with zipfile.ZipFile(task.results / "cases.zip") as packed:
        packed.extractall(folder)
    return folder


def test_it_leaves_a_data_set_a_picture_and_a_report(kind: Synthesizing, tmp_path: Path) -> None:
    task = a_task(tmp_path, count=3, seed=4)
    answer = kind.run(task, SILENT)
    opened = open_dataset(unpacked(task, tmp_path / "set"))
    assert len(opened.split("all")) == 3
    assert (answer["cases"], answer["synthetic"], answer["audited"]) == (3, True, False)
    assert json.loads((task.results / "report.json").read_text()) == answer
    assert (task.results / "preview.png").read_bytes().startswith(b"\x89PNG")


def test_two_jobs_give_the_set_of_one(kind: Synthesizing, tmp_path: Path) -> None:
    whole = a_task(tmp_path / "whole", count=3)
    kind.run(whole, SILENT)
    expected = unpacked(whole, tmp_path / "all")
    for first, count in ((0, 1), (1, 2)):
        part = a_task(tmp_path / f"part{first}", count=count, first=first)
        kind.run(part, SILENT)
        found = unpacked(part, tmp_path / f"set{first}")
        for image in (found / "imagesTr").iterdir():
            one, other = files.read(image), files.read(expected / "imagesTr" / image.name)
            np.testing.assert_array_equal(one.array, other.array)


def test_what_an_earlier_attempt_made_is_kept(kind: Synthesizing, tmp_path: Path) -> None:
    class Stop:
        def advance(self, done: int, total: int, message: str = "") -> None:
            if done > total / 2:
                raise Cancelled("Enough.", "Go on later.")

    task = a_task(tmp_path, count=4)
    with pytest.raises(Cancelled):
        kind.run(task, Stop())
    made = {p: p.stat().st_mtime_ns for p in (task.scratch / "cases" / "provenance").iterdir()}
    assert 0 < len(made) < 4
    assert not list(task.results.iterdir())
    kind.run(task, SILENT)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in made.items())
    assert len(open_dataset(unpacked(task, tmp_path / "set")).split("all")) == 4


def test_label_maps_that_came_with_it_are_shown(kind: Synthesizing, tmp_path: Path) -> None:
    array = np.zeros((10, 12, 9), np.uint8)
    array[2:5, 3:9, 2:7], array[5:8, 3:9, 2:7] = 1, 2
    given = LabelMap(array, np.eye(4), {"anterior": 1, "posterior": 2})
    task = a_task(tmp_path, count=2)
    files.write(task.inputs / "drawn.nii.gz", given)
    kind.run(task, SILENT)
    folder = unpacked(task, tmp_path / "set")
    for path in (folder / "labelsTr").iterdir():
        np.testing.assert_array_equal(files.read_label_map(path).array, array)
    (about, _) = sorted((folder / "provenance").iterdir())
    assert json.loads(about.read_text())["labels"] == "given"


def test_another_process_does_the_same(kind: Synthesizing, tmp_path: Path) -> None:
    sent = pickle.loads(pickle.dumps(kind))
    assert sent.with_models_in(tmp_path / "models").folders == (tmp_path / "models",)
    assert [card.name for card in sent.models({"model": "maker"})] == ["maker"]


def test_a_model_that_is_not_there_or_segments_is_refused(
    kind: Synthesizing, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        kind.run(a_task(tmp_path, model="absent"), SILENT)
    a_tiny_model(tmp_path / "models")
    with pytest.raises(BadCard, match="makes no cases"):
        kind.run(a_task(tmp_path, model="tiny"), SILENT)


def test_attributes_reach_the_cases_of_a_job(kind: Synthesizing, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no attribute 'size'"):
        kind.run(a_task(tmp_path, attributes={"size": "large"}), SILENT)
    card = find_card("maker", *kind.folders)
    assert isinstance(card.network, CaseDiffusion)
    plan = replace(card.network, attributes=(Attribute("size", ("large", "small")),))
    untrained(replace(card, network=plan, version=2, sha256=""), kind.folders[0])
    task = a_task(tmp_path / "next", count=1, attributes={"size": "large"})
    kind.run(task, SILENT)
    (about,) = (unpacked(task, tmp_path / "set") / "provenance").iterdir()
    assert json.loads(about.read_text())["attributes"] == {"size": "large"}
