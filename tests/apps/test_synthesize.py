"""Synthetic cases over HTTP: a job of the real server, and what it refuses."""

from __future__ import annotations

import io
import json
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.apps.running import Server, a_generator_card, untrained
from tests.apps.working import Worker
from verisim import files
from verisim.dataset import open_dataset
from verisim.installed import find_card
from verisim.networks.attributes import Attribute
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.synthesis import Synthesizer
from verisim.volume import LabelMap


@pytest.fixture(scope="module")
def worker(server: Server) -> Worker:
    """Whoever asks; a generator is copied into the models folder of the running server."""
    untrained(a_generator_card(), server.models)
    return Worker(server)


def asked(worker: Worker, *uploads: Path, **params: object) -> requests.Response:
    form: list[tuple[str, Any]] = [("params", (None, json.dumps({"model": "maker", **params})))]
    form += [("file", (path.name, path.read_bytes())) for path in uploads]
    return worker.ask("POST", "/jobs/synthesize", files=form)


def cases_of(worker: Worker, job: str, folder: Path) -> Path:
    told = worker.ended(job)
    assert told["state"] == "done", told
    assert {one["name"] for one in told["files"]} == {"cases.zip", "preview.png", "report.json"}
    (packed,) = (one["url"] for one in told["files"] if one["name"] == "cases.zip")
    with zipfile.ZipFile(io.BytesIO(worker.ask("GET", packed).content)) as content:
        content.extractall(folder)
    return folder


def test_a_job_makes_what_the_library_makes(worker: Worker, tmp_path: Path) -> None:
    reply = asked(worker, count=2, seed=3, precision="single", device="cpu")
    assert reply.status_code == 202, reply.text
    folder = cases_of(worker, reply.json()["id"], tmp_path)
    opened = open_dataset(folder)
    assert opened.name.startswith("SYNTHETIC")
    card = find_card("maker", worker.server.models)
    assert card.generation is not None
    wished = replace(card, generation=replace(card.generation, seed=3))
    expected = Synthesizer(wished, precision="single")(range(2))
    for case, made in zip(opened.split("all"), expected, strict=True):
        volume, label_map = case.pair(card.labels)
        np.testing.assert_allclose(volume.array, made.volume.array, atol=1)
        np.testing.assert_array_equal(label_map.array, made.label_map.array)


def test_a_job_shows_how_its_cases_become_clean(worker: Worker) -> None:
    job = asked(worker, count=200, steps=40).json()["id"]
    reply = worker.ask("GET", f"/jobs/{job}/preview")
    until = time.monotonic() + 60
    while reply.status_code == 404 and time.monotonic() < until:
        time.sleep(0.1)
        reply = worker.ask("GET", f"/jobs/{job}/preview")
    assert worker.ask("GET", f"/jobs/{job}").json()["state"] == "running"
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.content.startswith(b"\x89PNG")
    worker.ask("DELETE", f"/jobs/{job}")
    assert worker.ended(job)["state"] == "cancelled"
    assert worker.ask("GET", f"/jobs/{job}/preview").status_code == 404
    assert worker.ask("GET", "/jobs/absent/preview").status_code == 404


def test_a_label_map_that_is_sent_is_shown(worker: Worker, tmp_path: Path) -> None:
    array = np.zeros((10, 12, 9), np.uint8)
    array[2:5, 3:9, 2:7], array[5:8, 3:9, 2:7] = 1, 2
    path = tmp_path / "drawn.nii.gz"
    files.write(path, LabelMap(array, np.eye(4), {"anterior": 1, "posterior": 2}))
    reply = asked(worker, path, count=1)
    folder = cases_of(worker, reply.json()["id"], tmp_path / "set")
    (label,) = (folder / "labelsTr").iterdir()
    np.testing.assert_array_equal(files.read_label_map(label).array, array)


def test_chance_shows_whatever_labels_are_sent(worker: Worker, tmp_path: Path) -> None:
    array = np.zeros((14, 16, 12), np.uint8)
    array[4:9, 4:12, 3:9] = 4
    path = tmp_path / "drawn.nii.gz"
    files.write(path, LabelMap(array, np.eye(4), {"label_4": 4}))
    reply = asked(worker, path, model="random-contrast", count=2)
    assert reply.status_code == 202, reply.text
    folder = cases_of(worker, reply.json()["id"], tmp_path / "set")
    opened = open_dataset(folder)
    assert len(opened.split("all")) == 2
    assert dict(opened.labels) == {"label_4": 1}


def inferred(worker: Worker, *, image: str = "", **params: object) -> requests.Response:
    model = params.pop("model", "maker")
    query = {"output": "image", **({"image": image} if image else {})}
    return worker.ask("POST", f"/infer/{model}", params=query, data={"params": json.dumps(params)})


def test_a_stock_client_gets_one_case_image_and_labels(worker: Worker, tmp_path: Path) -> None:
    card = find_card("maker", worker.server.models)
    assert card.generation is not None
    wished = replace(card, generation=replace(card.generation, seed=5))
    (expected,) = Synthesizer(wished, precision="single")(range(2, 3))
    asked = {"seed": 5, "first": 2, "precision": "single", "result_extension": ".nii.gz"}
    for part, wanted in (("image", expected.volume), ("label", expected.label_map)):
        for image in ("", "none"):
            reply = inferred(worker, image=image, part=part, result_dtype="uint8", **asked)
            assert reply.status_code == 200, reply.text
            path = tmp_path / f"{part}.nii.gz"
            path.write_bytes(reply.content)
            np.testing.assert_allclose(files.read(path).array, wanted.array, atol=1)
    packed = inferred(worker, **{**asked, "result_extension": ".zip"})
    with zipfile.ZipFile(io.BytesIO(packed.content)) as content:
        assert set(content.namelist()) == {"image.nii.gz", "label.nii.gz", "provenance.json"}
        assert json.loads(content.read("provenance.json"))["number"] == 2


def test_a_stock_client_is_told_where_a_case_comes_from(worker: Worker) -> None:
    query = {"output": "json", "image": "none"}
    reply = worker.ask("POST", "/infer/maker", params=query, data={"params": '{"seed": 1}'})
    told = reply.json()
    assert told["synthetic"] is True
    assert told["audited"] is False
    assert told["provenance"]["seed"] == 1
    assert set(told["volumes_ml"]) == {"anterior", "posterior"}


def test_a_stock_client_has_an_image_made_for_a_label_map(worker: Worker, tmp_path: Path) -> None:
    array = np.zeros((10, 12, 9), np.uint8)
    array[2:5, 3:9, 2:7], array[5:8, 3:9, 2:7] = 1, 2
    path = tmp_path / "drawn.nii.gz"
    files.write(path, LabelMap(array, np.eye(4), {"anterior": 1, "posterior": 2}))
    for model in ("maker", "random-contrast"):
        reply = worker.ask(
            "POST",
            f"/infer/{model}",
            params={"output": "image"},
            data={"params": json.dumps({"result_extension": ".nii.gz"})},
            files={"file": ("drawn.nii.gz", path.read_bytes())},
        )
        assert reply.status_code == 200, reply.text
        (tmp_path / "image.nii.gz").write_bytes(reply.content)
        assert files.read(tmp_path / "image.nii.gz").spatial_shape == (10, 12, 9)


@pytest.mark.parametrize(
    ("image", "params", "status", "word"),
    [
        ("absent", {}, 404, "no image"),
        ("case_1", {"label_tag": "absent"}, 404, "absent"),
        ("case_1", {"save_label": True}, 400, "no label of an image"),
        ("", {"part": "noise"}, 400, "noise"),
        ("", {"result_extension": ".dcm"}, 400, ".dcm"),
        ("", {"steps": 0}, 400, "steps"),
        ("", {"model": "random-contrast"}, 400, "none is given"),
    ],
)
def test_what_a_stock_client_cannot_have_is_refused(
    worker: Worker, image: str, params: dict[str, object], status: int, word: str
) -> None:
    reply = inferred(worker, image=image, **params)
    assert reply.status_code == status, reply.text
    assert word in reply.json()["message"]


def test_what_makes_cases_is_listed_last_as_another_kind_and_segments_nothing(
    worker: Worker,
) -> None:
    told = worker.ask("GET", "/info/").json()
    kinds = [one["type"] for one in told["models"].values()]
    assert told["models"]["maker"]["type"] == "others"
    assert kinds == sorted(kinds, key=lambda kind: kind != "segmentation")
    refused = worker.hand_in({"image": "case_1"}, model="maker")
    assert refused.status_code == 404
    assert "maker" in refused.json()["message"]


def test_a_stock_client_has_an_image_made_for_a_stored_label(
    worker: Worker, tmp_path: Path
) -> None:
    array = np.zeros((9, 8, 7), np.uint8)
    array[2:6, 2:6, 2:6] = 1
    path = tmp_path / "label.nii.gz"
    files.write(path, LabelMap(array, np.eye(4), {"organ": 1}))
    stored = worker.ask(
        "PUT",
        "/datastore/label",
        params={"image": "case_1", "tag": "drawn"},
        files={"label": ("label.nii.gz", path.read_bytes())},
    )
    assert stored.status_code == 200, stored.text
    asked = {"model": "random-contrast", "label_tag": "drawn", "result_extension": ".nii.gz"}
    reply = inferred(worker, image="case_1", **asked)
    assert reply.status_code == 200, reply.text
    (tmp_path / "image.nii.gz").write_bytes(reply.content)
    assert files.read(tmp_path / "image.nii.gz").spatial_shape == (9, 8, 7)
    refused = worker.hand_in({"image": "case_1"}, model="maker")
    assert refused.status_code == 404
    assert "maker" in refused.json()["message"]


@pytest.mark.parametrize(
    ("params", "status", "word"),
    [
        ({"model": "absent"}, 404, "absent"),
        ({"model": "tiny"}, 400, "makes no cases"),
        ({"model": "random-contrast"}, 400, "none is given"),
        ({"count": 0}, 400, "count"),
        ({"steps": 0}, 400, "steps"),
        ({"guidance": -1}, 400, "guidance"),
        ({"solver": "magic"}, 400, "solver"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(
    worker: Worker, params: dict[str, object], status: int, word: str
) -> None:
    reply = asked(worker, **params)
    assert reply.status_code == status, reply.text
    told = reply.json()
    assert word in told["message"]
    assert told["remedy"]


def test_attributes_are_offered_asked_for_and_refused(worker: Worker) -> None:
    card = a_generator_card("teller")
    assert isinstance(card.network, CaseDiffusion)
    plan = replace(card.network, attributes=(Attribute("size", ("large", "small")),))
    untrained(replace(card, network=plan), worker.server.models)
    offered = worker.ask("GET", "/info/").json()["models"]["teller"]
    assert offered["attributes"] == {"size": ["large", "small"]}
    assert offered["config"]["attribute.size"] == ["", "large", "small"]
    query = {"output": "json", "image": "none"}
    for said in ({"attributes": {"size": "large"}}, {"attribute.size": "large"}):
        params = {"params": json.dumps(said)}
        reply = worker.ask("POST", "/infer/teller", params=query, data=params)
        assert reply.status_code == 200, reply.text
        assert reply.json()["provenance"]["attributes"] == {"size": "large"}
    untouched = {"params": json.dumps({"attribute.size": ["", "large", "small"]})}
    reply = worker.ask("POST", "/infer/teller", params=query, data=untouched)
    assert "attributes" not in reply.json()["provenance"]
    for wrong in ({"size": "huge"}, {"sex": "male"}, {"size": 3}, ["size"]):
        assert inferred(worker, model="teller", attributes=wrong).status_code == 400
        assert asked(worker, model="teller", attributes=wrong).status_code == 400
