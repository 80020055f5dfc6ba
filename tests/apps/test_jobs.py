"""Jobs over HTTP: handed in, watched, cancelled, fetched, forgotten."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.apps.client import infer, refusal, session_of, taken_apart, voxels
from tests.apps.running import Server, an_image
from tests.apps.working import Worker, a_long_volume, jobs_folder
from verisim import files
from verisim.volume import Array

CYCLES = 10


@pytest.fixture(scope="module")
def long_volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keeps the server busy."""
    return a_long_volume(tmp_path_factory.mktemp("long"))


@pytest.fixture
def worker(server: Server) -> Worker:
    """Whoever asks a server without keys."""
    return Worker(server)


def label_of(worker: Worker, job: str, folder: Path) -> Array:
    """The voxels of a job's only result."""
    told = worker.ended(job)
    assert told["state"] == "done", told
    (result,) = told["files"]
    path = folder / result["name"]
    path.write_bytes(worker.ask("GET", told["result_url"]).content)
    assert path.stat().st_size == result["bytes"]
    return files.read_label_map(path).array


def test_a_job_gives_what_infer_gives(worker: Worker, tmp_path: Path) -> None:
    expected = taken_apart(infer(worker.server, {"image": "case_1"}))
    upload = tmp_path / "Mustermann_Erika.nii.gz"
    files.write(upload, an_image(1))
    session = session_of(worker.server, [upload])
    for job in (
        worker.handed_in({"image": "case_1"}, result_extension=".nii.gz"),
        worker.handed_in({"session_id": session}),
        worker.handed_in({}, upload),
    ):
        assert np.array_equal(label_of(worker, job, tmp_path), voxels(expected))
        answer = worker.status(job)["answer"]
        for name in ("label_names", "volumes_ml", "centroids", "certainty", "model", "device"):
            assert answer[name] == expected.params[name]


def test_a_dicom_series_is_answered_with_a_dicom_segmentation(
    worker: Worker, tmp_path: Path, scanned: Path
) -> None:
    slices = tuple(sorted(scanned.glob("*.dcm")))
    job = worker.handed_in({}, *slices, result_extension=".dcm")
    found = label_of(worker, job, tmp_path)
    other = worker.handed_in({}, *slices)
    assert np.array_equal(found > 0, label_of(worker, other, tmp_path) > 0)


def test_several_results_are_listed_and_fetched_by_name_or_in_parts(worker: Worker) -> None:
    job = worker.handed_in({"image": "case_1"}, outputs=["label", "report"])
    told = worker.ended(job)
    listed = worker.ask("GET", told["result_url"]).json()["files"]
    assert [one["name"] for one in listed] == ["label.nrrd", "report.json"]
    assert listed == told["files"]
    report = worker.ask("GET", listed[1]["url"])
    assert report.json() == told["answer"]
    part = worker.ask("GET", listed[1]["url"], headers={"Range": "bytes=2-9"})
    assert (part.status_code, part.content) == (206, report.content[2:10])


def test_maps_are_served_and_lie_on_the_volume(worker: Worker, tmp_path: Path) -> None:
    outputs = ["label", "probability", "uncertainty"]
    told = worker.ended(worker.handed_in({"image": "case_1"}, outputs=outputs))
    listed = {one["name"]: one for one in told["files"]}
    maps = told["answer"]["maps"]
    names = [*maps["probability"].values(), maps["uncertainty"]]
    assert set(listed) == {"label.nrrd", *names}
    for name, one in listed.items():
        (tmp_path / name).write_bytes(worker.ask("GET", one["url"]).content)
        assert (tmp_path / name).stat().st_size == one["bytes"]
        assert files.read(tmp_path / name).shares_grid(an_image(1))
    labels = np.stack([files.read(tmp_path / name).array for name in names[:-1]])
    classes = np.concatenate([1 - labels.sum(axis=0, keepdims=True), labels])
    same = classes.argmax(axis=0) == files.read_label_map(tmp_path / "label.nrrd").array
    assert same.mean() > 0.99
    unsure = files.read(tmp_path / names[-1]).array
    assert 0 <= unsure.min() < unsure.max() <= 1


def test_names_of_results_never_leave_their_folder(worker: Worker) -> None:
    job = worker.handed_in({"image": "case_1"})
    worker.ended(job)
    for name in ("answer.json", "..%2Fresults%2Flabel.nrrd", "%2e%2e", "x\\..\\label.nrrd", "%00"):
        reply = worker.ask("GET", f"/jobs/{job}/result/{name}")
        assert reply.status_code in {400, 404}, name
        assert refusal(reply)[1] in {"bad_input", "not_found"}


def test_percent_never_falls_and_the_last_event_is_the_end(
    worker: Worker, long_volume: Path
) -> None:
    job = worker.handed_in({}, long_volume)
    began = time.monotonic()
    told = list(worker.events(job))
    lasted = time.monotonic() - began
    percents = [content["percent"] for name, content in told if name == "status"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert len(set(percents)) > 10
    assert len(told) <= 10 * lasted + 5
    assert [name for name, _ in told].count("end") == 1
    assert told[-1][0] == "end"
    assert told[-1][1]["state"] == "done"


def test_a_waiting_job_is_cancelled_at_once(worker: Worker, long_volume: Path) -> None:
    first, second = worker.handed_in({}, long_volume), worker.handed_in({}, long_volume)
    worker.at_work(first)
    assert worker.status(second)["position"] == 1
    assert worker.status(second)["state"] == "queued"
    reply = worker.ask("DELETE", f"/jobs/{second}")
    assert (reply.status_code, reply.json()["state"]) == (200, "cancelled")
    assert worker.ask("DELETE", f"/jobs/{first}").status_code in {200, 202}
    assert worker.ended(first)["state"] == "cancelled"


def test_a_cancelled_job_frees_its_device_and_leaves_no_thread_and_no_file(
    worker: Worker, long_volume: Path
) -> None:
    process = psutil.Process(worker.server.process.pid)
    threads = 0
    for cycle in range(CYCLES):
        job = worker.handed_in({}, long_volume)
        following = worker.handed_in({"image": "case_1"})
        worker.at_work(job)
        worker.ask("DELETE", f"/jobs/{job}")
        assert worker.ended(job, 20)["state"] == "cancelled"
        assert worker.ended(following, 20)["state"] == "done"
        left = {path.name for path in (jobs_folder(worker.server) / "jobs" / job).iterdir()}
        assert left == {"inputs"}
        worker.ask("DELETE", f"/jobs/{job}/data")
        if cycle == CYCLES // 2:
            threads = process.num_threads()
    assert process.num_threads() <= threads


def test_status_answers_at_once_while_the_device_is_at_work(
    worker: Worker, long_volume: Path
) -> None:
    job = worker.handed_in({}, long_volume)
    worker.at_work(job)
    waits = []
    for _ in range(50):
        asked = time.perf_counter()
        worker.status(job)
        waits.append(time.perf_counter() - asked)
    worker.ask("DELETE", f"/jobs/{job}/data")
    assert np.median(waits) < 0.1


def test_a_repeated_key_is_the_same_job(worker: Worker) -> None:
    first = worker.hand_in({"image": "case_1"}, key="once")
    again = worker.hand_in({"image": "case_1"}, key="once")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert refusal(worker.hand_in({"image": "case_2"}, key="once")) == (409, "conflict")
    for bad in ("x" * 65, "two words"):
        assert refusal(worker.hand_in({"image": "case_1"}, key=bad)) == (422, "bad_input")


@pytest.mark.parametrize(
    ("query", "params", "status", "named"),
    [
        ({"image": "case_1"}, {"nonsense": 1}, 400, "nonsense"),
        ({"image": "case_1"}, {"mirror": "often"}, 400, "mirror"),
        ({"image": "case_1"}, {"result_extension": ".exe"}, 400, "result_extension"),
        ({"image": "case_1"}, {"outputs": ["soul"]}, 400, "outputs"),
        ({"image": "case_1"}, {"device": "tpu"}, 400, "device"),
        ({"image": "case_1"}, {"model": "nonsense"}, 404, "nonsense"),
        ({"image": "case_1"}, {"result_extension": ".dcm"}, 422, "DICOM"),
        ({"image": "../case_1"}, {}, 400, "id"),
        ({"image": "case_77"}, {}, 404, "image"),
        ({"session_id": "x"}, {}, 404, "session"),
        ({}, {}, 400, "volume"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once_and_named(
    worker: Worker, query: dict[str, str], params: dict[str, Any], status: int, named: str
) -> None:
    before = {path.name for path in (jobs_folder(worker.server) / "jobs").iterdir()}
    reply = worker.hand_in(query, **params)
    assert refusal(reply)[0] == status
    assert named in reply.json()["message"]
    assert {path.name for path in (jobs_folder(worker.server) / "jobs").iterdir()} == before


def test_a_failed_job_tells_its_own_error(worker: Worker, tmp_path: Path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"this is no volume")
    job = worker.handed_in({}, broken)
    told = worker.ended(job)
    assert told["state"] == "failed"
    assert told["error"]["code"] == "unreadable_file"
    assert refusal(worker.ask("GET", told["result_url"])) == (409, "unreadable_file")


def test_results_that_are_not_there_yet_are_refused(worker: Worker, long_volume: Path) -> None:
    job = worker.handed_in({}, long_volume)
    assert refusal(worker.ask("GET", f"/jobs/{job}/result")) == (409, "conflict")
    worker.ask("DELETE", f"/jobs/{job}/data")
    for method, path in (
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/result"),
        ("GET", "/result/label.nrrd"),
        ("DELETE", ""),
        ("DELETE", "/data"),
    ):
        assert refusal(worker.ask(method, f"/jobs/{job}{path}")) == (404, "not_found")


def test_nothing_of_what_is_forgotten_is_left(worker: Worker, tmp_path: Path) -> None:
    secret = b"Mustermann^Erika"
    upload = tmp_path / "Mustermann_Erika.nii"
    files.write(upload, an_image(1))
    upload.write_bytes(upload.read_bytes().replace(bytes(16), secret, 1))
    jobs = [worker.handed_in({}, upload), worker.handed_in({}, upload)]
    worker.ended(jobs[0])
    assert worker.ask("DELETE", f"/jobs/{jobs[0]}/data").json()["jobs"] == [jobs[0]]
    assert jobs[1] in worker.ask("DELETE", "/data").json()["jobs"]
    assert worker.ask("GET", "/jobs").json() == {"jobs": []}
    kept = [p for p in jobs_folder(worker.server).rglob("*") if p.is_file()]
    told = b"".join(path.read_bytes() for path in kept)
    for word in (secret, b"Mustermann", *(job.encode() for job in jobs)):
        assert word not in told
    assert jobs_folder(worker.server).stat().st_mode & 0o777 == 0o700


def test_every_route_is_described_with_examples(worker: Worker) -> None:
    schema = worker.ask("GET", "/openapi.json").json()
    routes = {
        (method.upper(), path): said
        for path, methods in schema["paths"].items()
        for method, said in methods.items()
        if path == "/data" or (path.startswith("/jobs") and path != "/jobs/train")
    }
    assert routes.keys() >= {
        ("POST", "/jobs/segment"),
        ("GET", "/jobs"),
        ("GET", "/jobs/{job_id}"),
        ("GET", "/jobs/{job_id}/events"),
        ("DELETE", "/jobs/{job_id}"),
        ("DELETE", "/jobs/{job_id}/data"),
        ("GET", "/jobs/{job_id}/result"),
        ("GET", "/jobs/{job_id}/result/{name}"),
        ("DELETE", "/data"),
    }
    for (method, path), said in routes.items():
        good = next(code for code in ("200", "202") if code in said["responses"])
        assert "404" in said["responses"], (method, path)
        if path.endswith(("/result", "{name}", "/preview")):
            continue
        assert "example" in str(said["responses"][good]) or "$ref" in str(said["responses"][good])
    for name in ("Accepted", "Status", "Listed", "Files", "Forgotten"):
        assert schema["components"]["schemas"][name]["example"]
