"""Health, figures and the log of a real server: they tell enough, and nothing private."""

from __future__ import annotations

import gzip
import io
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.apps.running import a_tiny_model, an_image
from tests.apps.watched import ACCESS, PATIENT, Watched, watched
from verisim import files
from verisim.volume import Volume

ROUTES = "infer|info|session|datastore|train|uploads|jobs|logs|health|metrics|batch|scoring"
A_PATH = re.compile(rf"(?<![\w.:/<])/(?!(?:{ROUTES}|model|activelearning|docs)\b)\w[\w.-]*/[\w.]")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("watched")) as started:
        yield started


def a_file(path: Path) -> dict[str, tuple[str, bytes]]:
    return {"file": (path.name, path.read_bytes())}


def figure(server: Watched, name: str, **labels: str) -> float:
    """The value of one sample; 0 while there is none."""
    text = server.send("GET", "/metrics").text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    found = [s.value for s in samples if s.name == name and labels.items() <= s.labels.items()]
    return sum(found)


def bad_volumes(folder: Path) -> list[Path]:
    """Files named after a patient that no server can segment."""
    whole = folder / f"{PATIENT}.nii.gz"
    files.write(whole, an_image(3))
    cut = folder / f"{PATIENT} cut.nii.gz"
    cut.write_bytes(whole.read_bytes()[:2000])
    text = folder / f"{PATIENT}.nrrd"
    text.write_text(f"I am {PATIENT}")
    other = folder / f"{PATIENT}.exe"
    other.write_bytes(b"MZ")
    infinite = folder / f"{PATIENT}_inf.nii"
    files.write(infinite, Volume(np.full((8, 8, 8), np.inf, np.float32), np.eye(4)))
    dicom = folder / f"{PATIENT}.dcm"
    dicom.write_bytes(a_bad_dicom())
    return [cut, text, other, infinite, dicom]


def a_bad_dicom() -> bytes:
    dataset = pydicom.Dataset()
    dataset.PatientName = PATIENT.replace("_", "^")
    dataset.PatientID = PATIENT
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    return buffer.getvalue()


def refusals(server: Watched, folder: Path) -> Iterator[requests.Response]:
    """Answers to everything that goes wrong with a patient's name in it."""
    for path in bad_volumes(folder):
        yield server.send("POST", "/infer/tiny", files=a_file(path))
    for path in bad_volumes(folder)[:3]:
        yield server.send("PUT", "/datastore/image", files=a_file(path))
    yield server.send("POST", f"/infer/tiny?image=un{PATIENT}")
    yield server.send("POST", f"/infer/tiny?image=/srv/{PATIENT}.nii.gz")
    yield server.send("POST", f"/infer/{PATIENT}?image={PATIENT}")
    yield server.send("POST", "/infer/tiny?image=broken")
    yield server.send("GET", f"/{PATIENT}/x")
    yield server.send("GET", f"/datastore/image?image=un{PATIENT}")
    yield server.send("GET", f"/datastore/label?label=un{PATIENT}&tag=final")
    yield server.send("GET", f"/session/{PATIENT}")
    yield server.send("POST", "/infer/tiny", data={"params": f'{{"{PATIENT}": '})
    label = {"label": (f"{PATIENT}.nii.gz", b"nothing")}
    yield server.send("PUT", f"/datastore/label?image={PATIENT}", files=label)
    yield server.send("POST", "/batch/infer/tiny", json={"images": [f"un{PATIENT}"]})


def test_no_refusal_tells_a_name_or_a_path(server: Watched, tmp_path: Path) -> None:
    for answer in refusals(server, tmp_path):
        assert answer.status_code >= 400, (answer.request.url, answer.request.body)
        assert "Traceback" not in answer.text
        assert PATIENT not in answer.text, answer.text
        assert not A_PATH.search(answer.text), answer.text
        assert answer.json().keys() == {"code", "message", "remedy", "request_id"}


def test_no_line_of_the_log_tells_a_name_or_a_path(server: Watched, tmp_path: Path) -> None:
    list(refusals(server, tmp_path))
    whole = {"file": (f"{PATIENT}.nii.gz", gzip.compress(b"x"))}
    for method, address, more in (
        ("POST", f"/infer/tiny?image={PATIENT}&output=json", {}),
        ("PUT", "/session/", {"files": {"files": whole["file"]}}),
        ("POST", "/activelearning/random", {}),
        ("GET", f"/datastore/image?image={PATIENT}", {}),
        ("GET", "/datastore/?output=train", {}),
        ("GET", "/datastore/?output=all", {}),
        ("GET", "/info/", {}),
    ):
        assert server.send(method, address, **more).status_code == 200
    text = server.log.read_text()
    assert PATIENT not in text
    assert "MUSTERMANN" not in text
    assert str(server.folder) not in text
    assert [line for line in text.splitlines() if A_PATH.search(line)] == []


def test_answers_tell_no_path_of_the_server(server: Watched) -> None:
    for method, address in (
        ("GET", "/info/"),
        ("GET", "/datastore/?output=all"),
        ("GET", "/datastore/?output=train"),
        ("GET", f"/datastore/image/info?image={PATIENT}"),
        ("POST", "/activelearning/random"),
        ("GET", "/logs/?text=true&lines=1000"),
        ("GET", "/model/info/tiny"),
        ("GET", "/health"),
        ("GET", "/metrics"),
    ):
        answer = server.send(method, address)
        assert answer.status_code == 200, address
        assert str(server.folder) not in answer.text, address


def test_an_internal_failure_can_be_found_by_its_request_id(server: Watched) -> None:
    answer = server.send("POST", "/infer/tiny?image=broken")
    assert answer.status_code == 500
    told = server.lines_of(answer.json()["request_id"])
    (failure,) = [line for line in told if line["logger"] == "lib.errors"]
    assert failure["error"] == "RuntimeError"
    assert re.fullmatch(r"lib\.names:\d+", failure["frames"][-1])


def test_every_line_is_json_with_the_same_fields(server: Watched) -> None:
    server.send("GET", "/info/")
    for line in server.lines():
        assert {"time", "level", "logger", "message", "request_id", "user"} <= line.keys()
        assert line["time"].endswith("+00:00")


def test_the_log_tells_route_status_and_time_of_a_request(server: Watched) -> None:
    sent = {"X-Request-ID": "my-own-id"}
    server.send("POST", f"/infer/tiny?image={PATIENT}&output=json", headers=sent)
    (line,) = [x for x in server.lines_of("my-own-id") if x["logger"] == ACCESS]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/infer/{model}", 200)
    assert line["milliseconds"] > 0


def test_the_log_file_holds_what_was_printed(server: Watched) -> None:
    server.send("GET", "/info/")
    file = server.folder / "app" / "logs" / "app.log"
    assert file.read_text().splitlines()[-1] in server.log.read_text().splitlines()


def test_logs_are_shown_by_the_stock_route(server: Watched) -> None:
    answer = server.send("GET", "/logs/?text=true&lines=5")
    assert answer.text.startswith('{"time": ')


def test_the_health_is_told_while_an_inference_runs(server: Watched) -> None:
    path = server.folder / "large.nii"
    array = np.random.default_rng(0).normal(size=(120, 120, 120)).astype(np.float32)
    files.write(path, Volume(array, np.eye(4)))
    told = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.send, "POST", "/infer/tiny?output=json", files=a_file(path))
        while not running.done():
            told.append(server.send("GET", "/health").status_code)
        assert running.result().status_code == 200
    assert len(told) > 3
    assert set(told) == {200}


def test_the_server_is_not_ready_without_models(tmp_path: Path) -> None:
    with watched(tmp_path) as server:
        assert server.send("GET", "/health/ready").json()["ready"]
        moved = (tmp_path / "studies").rename(tmp_path / "elsewhere")
        answer = server.send("GET", "/health")
        assert answer.status_code == 503
        assert [one["what"] for one in answer.json()["missing"]] == ["datastore"]
        assert server.send("GET", "/health/live").status_code == 200
        moved.rename(tmp_path / "studies")
        assert server.send("GET", "/health").status_code == 200


def test_figures_count_requests_errors_and_jobs(server: Watched) -> None:
    def all_figures() -> list[float]:
        route = {"route": "/infer/{model}", "method": "POST"}
        return [
            figure(server, "verisim_requests_total", status="200", **route),
            figure(server, "verisim_requests_total", status="404", **route),
            figure(server, "verisim_request_seconds_count", **route),
            figure(server, "verisim_errors_total", code="not_found"),
            figure(server, "verisim_job_seconds_count", kind="segment", model="tiny"),
            figure(server, "verisim_jobs_total", kind="segment", state="done"),
            figure(server, "verisim_jobs_total", kind="segment", state="failed"),
        ]

    before = all_figures()
    for image, status in ((PATIENT, 200), ("unknown", 404)):
        answer = server.send("POST", f"/infer/tiny?image={image}&output=json")
        assert answer.status_code == status
        server.lines_of(answer.headers["X-Request-ID"])  # it is counted when it is written down
    grown = [after - b for after, b in zip(all_figures(), before, strict=True)]
    assert grown == [1, 1, 2, 1, 2, 1, 1]
    assert figure(server, "verisim_device_memory_bytes", device="cpu") > 1e8


def test_no_label_of_a_figure_comes_from_a_client(server: Watched) -> None:
    server.send("POST", f"/infer/{PATIENT}?image=x")
    server.send("GET", f"/{PATIENT}")
    server.send(f"{PATIENT[:10]}", "/info/")
    assert "MUSTERMANN" not in server.send("GET", "/metrics").text


def test_many_requests_at_once_keep_their_ids_apart(server: Watched) -> None:
    ready = threading.Barrier(6)

    def ask(n: int) -> None:
        ready.wait()
        server.send("POST", "/infer/tiny?image=broken", headers={"X-Request-ID": f"apart-{n}"})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(6)))
    for n in range(6):
        loggers = [line["logger"] for line in server.lines_of(f"apart-{n}")]
        assert loggers.count(ACCESS) == 1
        assert "lib.errors" in loggers


def test_a_new_model_is_counted_by_its_name(server: Watched) -> None:
    a_tiny_model(server.folder / "models", "another")
    server.send("POST", f"/infer/another?image={PATIENT}&output=json")
    assert figure(server, "verisim_job_seconds_count", model="another") == 1
