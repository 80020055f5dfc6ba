"""Jobs whose label map becomes the label of its image, and who may ask for that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from monailabel.interfaces.exception import ImageNotFoundException

from lib.jobs import labels
from lib.jobs.labels import StoredLabels
from tests.apps.client import refusal
from tests.apps.running import an_image, running
from tests.apps.working import Worker
from verisim import files
from verisim.errors import NotFound, Unavailable
from verisim.keys import append_key, new_key


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Worker]]:
    """A reader and an annotator."""
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys = {}
    for name in ("reader", "annotator"):
        keys[name], entry = new_key(name, name)
        append_key(path, entry)
    with running(tmp_path_factory.mktemp("labels"), {"keys": str(path), "rate": "1000"}) as server:
        yield {name: Worker(server, key) for name, key in keys.items()}


def tags(worker: Worker, image: str) -> dict[str, dict[str, object]]:
    """What is told about the labels of an image."""
    told = worker.ask("GET", "/datastore/?output=all").json()["objects"][image]["labels"]
    return {tag: one["info"] for tag, one in told.items()}


def test_the_label_map_of_a_job_becomes_the_label_of_its_image(people: dict[str, Worker]) -> None:
    worker = people["annotator"]
    wish = {"save_label": True, "label_tag": "draft", "result_extension": ".nii.gz"}
    job = worker.handed_in({"image": "case_1"}, outputs=["label", "report"], **wish)
    told = worker.ended(job)
    assert told["state"] == "done", told
    assert told["answer"]["label_tag"] == "draft"
    info = tags(worker, "case_1")["draft"]
    assert info["model"] == "tiny"
    assert info["params"]["certainty"] == told["answer"]["certainty"]  # type: ignore[index]
    saved = worker.server.studies / "labels" / "draft" / "case_1.nii.gz"
    result = worker.ask("GET", f"/jobs/{job}/result/label.nii.gz")
    assert saved.read_bytes() == result.content
    worker.ask("DELETE", f"/jobs/{job}/data")
    assert np.any(files.read_label_map(saved).array)


def test_the_tag_is_that_of_infer_if_none_is_named(people: dict[str, Worker]) -> None:
    worker = people["annotator"]
    worker.ended(worker.handed_in({"image": "case_2"}, save_label=True))
    assert set(tags(worker, "case_2")) == {"original"}


def test_without_the_wish_nothing_of_a_user_comes_into_the_datastore(
    people: dict[str, Worker], tmp_path: Path
) -> None:
    worker = people["annotator"]
    upload = tmp_path / "Mustermann_Erika.nii.gz"
    files.write(upload, an_image(3))
    studies = worker.server.studies
    before = {path: path.read_bytes() for path in studies.rglob("*") if path.is_file()}
    for job in (
        worker.handed_in({"image": "case_1"}, label_tag="never"),
        worker.handed_in({"image": "case_1"}, save_label=False, label_tag="never"),
        worker.handed_in({}, upload),
    ):
        assert "label_tag" not in worker.ended(job)["answer"]
    assert {path: path.read_bytes() for path in studies.rglob("*") if path.is_file()} == before


def test_who_may_not_save_labels_may_not_with_a_job_or_infer_either(
    people: dict[str, Worker],
) -> None:
    reader = people["reader"]
    refused = reader.hand_in({"image": "case_1"}, save_label=True, label_tag="sneaked")
    assert refusal(refused) == (403, "forbidden")
    assert "annotator" in refused.json()["message"]
    form = {"params": (None, json.dumps({"save_label": True, "label_tag": "sneaked"}))}
    refused = reader.ask("POST", "/infer/tiny?image=case_1", files=form)
    assert refusal(refused) == (403, "forbidden")
    assert reader.hand_in({"image": "case_1"}, save_label=False).status_code == 202
    assert "sneaked" not in tags(reader, "case_1")


def test_a_label_that_could_not_be_saved_is_refused_at_once(
    people: dict[str, Worker], tmp_path: Path
) -> None:
    upload = tmp_path / "a.nii.gz"
    files.write(upload, an_image(3))
    worker = people["annotator"]
    for query, sent, params, named in (
        ({}, (upload,), {}, "image of the datastore"),
        ({"session_id": "x"}, (), {}, "image of the datastore"),
        ({"image": "case_1"}, (), {"label_tag": "../final"}, "tag"),
        ({"image": "case_1"}, (), {"label_tag": ""}, "tag"),
        ({"image": "case_1"}, (), {"result_extension": ".dcm"}, ".dcm"),
        ({"image": "case_1"}, (), {"label_of": "case_2"}, "label_of"),
    ):
        reply = worker.hand_in(query, sent, save_label=True, **params)
        assert refusal(reply) == (400, "bad_input")
        assert named in reply.json()["message"]


def test_an_image_that_left_is_said_without_its_name(tmp_path: Path) -> None:
    class Empty:
        def save_label(self, image: str, *_: object) -> str:
            raise ImageNotFoundException(image)

    stored = StoredLabels()
    stored.go_into(Empty())  # type: ignore[arg-type]  # all that is asked of it
    with pytest.raises(NotFound) as told:
        stored.save("Mustermann", tmp_path / "label.nrrd", "final", {})
    assert "Mustermann" not in str(told.value)


def test_a_datastore_that_never_opens_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "PATIENCE", 0.01)
    with pytest.raises(Unavailable, match="not open"):
        StoredLabels().save("case_1", tmp_path / "label.nrrd", "final", {})
