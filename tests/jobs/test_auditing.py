"""An audit as a kind of job: verdict, page, what is let out, going on, other machines."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.apps.running import a_generator_card, untrained
from tests.audit.released import a_set
from verisim import files
from verisim.audit.folder_audit import Source
from verisim.audit.report import read_report
from verisim.audit.verification import verify
from verisim.errors import BadInput, Cancelled
from verisim.jobs.auditing import Auditing, dataset_of, keep_sets
from verisim.jobs.kind import Task
from verisim.jobs.packing import pack
from verisim.progress import SILENT
from verisim.volume import LabelMap, Volume

SHAPE = (12, 14, 10)
BRIEF = {"plants": 1, "seed": 1, "model": ""}


def write_patients(folder: Path, first: int, count: int) -> Path:
    """Labelled volumes, each of a patient of its own, in the layout of the Decathlon."""
    for made in ("imagesTr", "labelsTr"):
        (folder / made).mkdir(parents=True)
    names = [f"Patient_{first + k}" for k in range(count)]
    for k, name in enumerate(names):
        array = np.random.default_rng(first + k).normal(500, 100, SHAPE).astype(np.float32)
        label = (np.indices(SHAPE).sum(0) < 10 + k % 5).astype(np.uint8)
        files.write(folder / "imagesTr" / f"{name}.nii.gz", Volume(array, np.eye(4)))
        path = folder / "labelsTr" / f"{name}.nii.gz"
        files.write(path, LabelMap(label, np.eye(4), {"anterior": 1}))
    entries = [{"image": f"imagesTr/{n}.nii.gz", "label": f"labelsTr/{n}.nii.gz"} for n in names]
    told = {"name": folder.name, "labels": {"0": "background", "1": "anterior"}}
    (folder / "dataset.json").write_text(json.dumps({**told, "training": entries}))
    return folder


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Training, held-out and synthetic cases."""
    made = a_set(tmp_path / "made", untrained(a_generator_card(), tmp_path / "models"), 3)
    known = write_patients(tmp_path / "known", 0, 6)
    return known, write_patients(tmp_path / "others", 100, 20), made


def a_task(folder: Path, sets: tuple[Path, Path, Path], **request: object) -> Task:
    inputs, results, scratch = (folder / name for name in ("inputs", "results", "scratch"))
    for made in (inputs, results, scratch):
        made.mkdir(parents=True)
    training, held_out = (dataset_of(Source(one)) for one in sets[:2])
    keep_sets(training, held_out, sets[2], inputs)
    asked = {"training": "known", "held_out": "others", "synthetic": "made", **BRIEF, **request}
    return Task(asked, "cpu", inputs, results, scratch)


def test_cases_that_pass_are_let_out(sets: tuple[Path, Path, Path], tmp_path: Path) -> None:
    task = a_task(tmp_path / "job", sets)
    answer = Auditing().run(task, SILENT)
    assert {path.name for path in task.results.iterdir()} >= {"report.json", "report.html"}
    report = read_report(task.results)
    assert (answer["verdict"], answer["cases"]) == (report.word, 3)
    assert (report.training.cases, report.held_out.patients) == (6, 20)
    assert report.training.name == "known"
    assert "Patient_" not in (task.results / "report.html").read_text()
    assert "Patient_" not in json.dumps(answer)
    assert (report.word, answer["released"]) == ("pass", 3)
    with zipfile.ZipFile(task.results / "released.zip") as packed:
        packed.extractall(tmp_path / "out")
    assert verify(tmp_path / "out").holds
    assert len(verify(tmp_path / "out").cases) == answer["released"]


def test_a_copy_is_named_and_nothing_is_let_out(
    sets: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    known, _, made = sets
    source = known / "imagesTr" / "Patient_3.nii.gz"
    (image, *_) = sorted((made / "imagesTr").iterdir())
    noise = np.random.default_rng(0).normal(0, 10, SHAPE).astype(np.float32)
    volume = files.read(source)
    files.write(image, volume.new(volume.array + noise))
    (label, *_) = sorted((made / "labelsTr").iterdir())
    label.write_bytes((known / "labelsTr" / "Patient_3.nii.gz").read_bytes())
    packed = tmp_path / "cases.zip"
    pack(made, packed)
    task = a_task(tmp_path / "job", (known, sets[1], packed), images=True)
    answer = Auditing().run(task, SILENT)
    report = read_report(task.results)
    assert report.cases[0].word == "block"
    assert report.cases[0].sight.nearest == "Patient_3"
    assert (answer["verdict"], answer["released"]) == ("block", 0)
    assert answer["flagged"][0] == report.cases[0].name
    assert not (task.results / "released.zip").exists()
    assert "data:image/png" in (task.results / "report.html").read_text()


class Stop:
    """Cancels at a share of the work."""

    def __init__(self, share: float) -> None:
        self.share = share

    def advance(self, done: int, total: int, message: str = "") -> None:
        assert "Patient" not in message
        if done > self.share * total:
            raise Cancelled("Enough.", "Go on later.")


def test_what_an_earlier_attempt_found_is_kept(
    sets: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    task = a_task(tmp_path / "job", sets)
    with pytest.raises(Cancelled):
        Auditing().run(task, Stop(0.6))
    kept = {path: path.stat().st_mtime_ns for path in (task.scratch / "work").glob("*.npz")}
    assert kept
    assert not list(task.results.iterdir())
    Auditing().run(task, SILENT)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())


def test_another_process_does_the_same(tmp_path: Path) -> None:
    untrained(a_generator_card(), tmp_path)
    sent = pickle.loads(pickle.dumps(Auditing((tmp_path,))))
    assert [card.name for card in sent.models({"model": "maker"})] == ["maker"]
    assert sent.models({"model": ""}) == ()
    assert sent.with_models_in(tmp_path / "b").folders == (tmp_path / "b",)


def test_too_few_held_out_patients_are_refused(
    sets: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    few = write_patients(tmp_path / "few", 200, 5)
    with pytest.raises(BadInput, match="5"):
        Auditing().run(a_task(tmp_path / "job", (sets[0], few, sets[2])), SILENT)
