"""An audit over HTTP: a job of the real server, and what it refuses."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.apps.running import a_generator_card, running, untrained
from tests.apps.working import Worker
from tests.audit.released import a_set
from tests.jobs.test_auditing import write_patients
from verisim.audit.side_by_side import PARTS
from verisim.audit.verification import verify


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Whoever asks a server with two data sets of patients and a folder of synthetic cases."""
    folder = tmp_path_factory.mktemp("audited")
    datasets = folder / "datasets"
    write_patients(datasets / "known", 0, 6)
    write_patients(datasets / "others", 100, 20)
    write_patients(datasets / "few", 200, 5)
    a_set(datasets / "made", untrained(a_generator_card(), folder / "models"), 2)
    (folder / "server").mkdir()
    with running(folder / "server", {"datasets": str(datasets)}) as server:
        untrained(a_generator_card(), server.models)
        yield Worker(server)


def asked(worker: Worker, **params: object) -> requests.Response:
    given = {"training": "known", "held_out": "others", "plants": 1, **params}
    return worker.ask("POST", "/jobs/audit", json=given)


def test_what_a_job_made_is_audited_and_let_out(worker: Worker, tmp_path: Path) -> None:
    form = {"params": (None, json.dumps({"model": "maker", "count": 3, "device": "cpu"}))}
    made = worker.ask("POST", "/jobs/synthesize", files=form).json()["id"]
    assert worker.ended(made)["state"] == "done"
    reply = asked(worker, synthesis=made, images=True)
    assert reply.status_code == 202, reply.text
    told = worker.ended(reply.json()["id"])
    assert told["state"] == "done", told
    assert told["kind"] == "audit"
    assert (told["answer"]["cases"], told["answer"]["released"]) == (3, 3)
    urls = {one["name"]: one["url"] for one in told["files"]}
    assert urls.keys() == {"report.json", "report.html", "released.zip", "pairs.zip"}
    pairs = zipfile.ZipFile(io.BytesIO(worker.ask("GET", urls["pairs.zip"]).content)).namelist()
    assert len(pairs) == 3 * len(PARTS)
    assert "1-training.nrrd" in pairs
    page = worker.ask("GET", urls["report.html"]).text
    assert "<h1>" in page
    assert "Patient_" not in page
    with zipfile.ZipFile(io.BytesIO(worker.ask("GET", urls["released.zip"]).content)) as packed:
        packed.extractall(tmp_path / "out")
    assert verify(tmp_path / "out").holds


def test_the_data_sets_are_listed(worker: Worker) -> None:
    listed = {
        one["name"]: one["splits"] for one in worker.ask("GET", "/datasets").json()["datasets"]
    }
    assert listed.keys() == {"known", "others", "few", "made"}
    assert listed["known"]["all"] == 6
    assert listed["others"]["train"] + listed["others"]["val"] == 20


def test_an_audit_is_cancelled_between_two_cases(worker: Worker) -> None:
    job = asked(worker, synthetic="made", plants=100).json()["id"]
    worker.at_work(job)
    assert worker.ask("DELETE", f"/jobs/{job}").status_code in (200, 202)
    assert worker.ended(job)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("params", "status", "word"),
    [
        ({}, 400, "either synthesis"),
        ({"synthetic": "made", "synthesis": "0" * 32}, 400, "either synthesis"),
        ({"synthesis": "0" * 32}, 404, "no such job"),
        ({"synthetic": "absent"}, 404, "absent"),
        ({"synthetic": "made", "training": "../models"}, 404, "no data set"),
        ({"synthetic": "made", "training": "known:absent"}, 404, "absent"),
        ({"synthetic": "made", "held_out": "few"}, 400, "5"),
        ({"synthetic": "made", "held_out": "few", "stand_in": True}, 400, "11"),
        ({"synthetic": "made", "held_out": "known"}, 422, "patient"),
        ({"synthetic": "made", "model": "tiny"}, 400, "makes no cases"),
        ({"synthetic": "made", "model": "absent"}, 404, "absent"),
        ({"synthetic": "made", "level": 2}, 400, "level"),
        ({"synthetic": "made", "plants": 0}, 400, "plants"),
        ({"synthetic": "made", "colour": "red"}, 400, "colour"),
    ],
)
def test_what_cannot_be_audited_is_refused_at_once(
    worker: Worker, params: dict[str, object], status: int, word: str
) -> None:
    reply = asked(worker, **params)
    assert reply.status_code == status, reply.text
    told = reply.json()
    assert word in told["message"]
    assert "Patient_" not in reply.text
    assert told["remedy"]


def test_a_job_that_made_no_cases_is_no_synthesis(worker: Worker) -> None:
    job = worker.handed_in({"image": "case_1"})
    worker.ended(job)
    assert asked(worker, synthesis=job).status_code == 404
