"""Requests that cannot be answered: each has its own reason, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests

from tests.apps.client import infer, refusal
from tests.apps.running import Server, an_image
from verisim import files

SCENE = np.zeros((8, 8, 8), np.float32)


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(server: Server) -> Iterator[None]:
    before = _everything(server)
    yield
    assert _everything(server) == before


def _everything(server: Server) -> set[Path]:
    folders = (server.temporary, server.studies, server.app / "model")
    return {path for folder in folders for path in folder.rglob("*")}


def _nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def _truncated(path: Path) -> Path:
    files.write(path, an_image(3))
    path.write_bytes(path.read_bytes()[:2000])
    return path


def _zero_axis(path: Path) -> Path:
    _nifti(path, SCENE)
    header = bytearray(gzip.decompress(path.read_bytes()))
    header[44:46] = b"\0\0"  # dim[2]
    path.write_bytes(gzip.compress(bytes(header)))
    return path


def _singular(path: Path) -> Path:
    _nifti(path, SCENE)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[280:328] = np.zeros(12, "<f4").tobytes()  # the rows of the affine
    path.write_bytes(gzip.compress(bytes(raw)))
    return path


def _sheared(path: Path) -> Path:
    return _nifti(
        path, SCENE, np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    )


def _rgb(path: Path) -> Path:
    return _nifti(path, np.zeros((8, 8, 8), [("R", "u1"), ("G", "u1"), ("B", "u1")]))


def _with(value: float) -> Callable[[Path], Path]:
    array = SCENE.copy()
    array[1, 2, 3] = value
    return lambda path: _nifti(path, array)


def _written(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


CASES = {
    "truncated gzip": (_truncated, 400, "unreadable_file"),
    "empty file": (_written(b""), 400, "unreadable_file"),
    "text": (_written(b"I am no image at all.\n" * 20), 400, "unreadable_file"),
    "zero-size axis": (_zero_axis, 422, "unsupported_volume"),
    "NaN voxels": (_with(np.nan), 422, "unsupported_volume"),
    "infinite voxels": (_with(np.inf), 422, "unsupported_volume"),
    "time series": (lambda p: _nifti(p, np.zeros((8, 8, 8, 5))), 422, "unsupported_volume"),
    "colours": (_rgb, 422, "unsupported_volume"),
    "singular affine": (_singular, 422, "bad_geometry"),
    "sheared affine": (_sheared, 422, "bad_geometry"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_volume_is_refused_with_its_reason(
    server: Server, tmp_path: Path, case: str
) -> None:
    make, status, code = CASES[case]
    response = infer(server, {}, upload=make(tmp_path / "bad.nii.gz"))
    assert refusal(response) == (status, code), response.text
    assert "bad.nii.gz" in response.json()["message"] or case.endswith("voxels")


def test_the_reasons_differ_from_each_other(server: Server, tmp_path: Path) -> None:
    replies = [
        infer(server, {}, upload=make(tmp_path / "bad.nii.gz")) for make, *_ in CASES.values()
    ]
    messages = {reply.json()["message"] for reply in replies}
    assert len(messages) == len(CASES) - 1  # NaN and infinite voxels break the same rule


def test_a_volume_with_too_few_channels_is_refused(server: Server) -> None:
    response = infer(server, {"image": "case_1"}, model="tiny-pair")
    assert refusal(response) == (422, "wrong_channels")
    assert "T1, T2" in response.json()["message"]


def test_a_volume_beyond_the_memory_is_refused(server: Server, tmp_path: Path) -> None:
    metres = _nifti(tmp_path / "metres.nii.gz", SCENE, np.diag([1000.0, 1000.0, 1000.0, 1.0]))
    assert refusal(infer(server, {}, upload=metres)) == (413, "too_large")


def test_a_file_of_no_known_kind_is_refused(server: Server, tmp_path: Path) -> None:
    picture = _written(b"\x89PNG")(tmp_path / "picture.png")
    assert refusal(infer(server, {}, upload=picture)) == (400, "unreadable_file")


@pytest.mark.parametrize(
    "image", ["../../etc/passwd", "/etc/passwd", "..", "a/b", "case_1/../case_2", "C:\\x", "a\0b"]
)
def test_a_path_is_no_image_id(server: Server, image: str) -> None:
    assert refusal(infer(server, {"image": image})) == (400, "bad_input")


@pytest.mark.parametrize("name", ["image", "session", "label", "model", "bundle_path"])
def test_the_params_cannot_name_a_file(server: Server, name: str) -> None:
    response = infer(server, {"image": "case_1"}, {name: "/etc/passwd"})
    assert refusal(response) == (400, "bad_input")
    assert name in response.json()["message"]


def test_an_unknown_image_is_not_found(server: Server) -> None:
    assert refusal(infer(server, {"image": "nobody"})) == (404, "not_found")


def test_an_unknown_model_is_not_found_and_the_remedy_lists_those_that_exist(
    server: Server,
) -> None:
    response = infer(server, {"image": "case_1"}, model="nosuch")
    assert refusal(response) == (404, "not_found")
    assert "tiny" in response.json()["remedy"]


@pytest.mark.parametrize("session", ["nosuch", "../..", "0" * 36, "0000-" * 7 + "0"])
def test_an_unknown_session_is_not_found(server: Server, session: str) -> None:
    assert refusal(infer(server, {"session_id": session})) == (404, "not_found")


def test_a_request_without_an_image_is_refused(server: Server) -> None:
    assert refusal(infer(server, {})) == (400, "bad_input")


@pytest.mark.parametrize(
    ("text", "code"), [("{", "bad_json"), ("nonsense", "bad_json"), ("[1, 2]", "bad_input")]
)
def test_params_must_be_a_json_object(server: Server, text: str, code: str) -> None:
    url = f"{server.url}/infer/tiny?image=case_1"
    response = requests.post(url, files={"params": (None, text)}, timeout=30)
    assert refusal(response) == (400, code)


@pytest.mark.parametrize(
    "params",
    [{"result_extension": ".exe"}, {"result_extension": 3}, {"device": 3}, {"device": "toaster"}],
)
def test_a_parameter_that_is_not_offered_is_refused(
    server: Server, params: dict[str, object]
) -> None:
    response = infer(server, {"image": "case_1"}, params)
    assert refusal(response) == (400, "bad_input")


def test_an_unknown_output_is_refused(server: Server) -> None:
    assert refusal(infer(server, {"image": "case_1", "output": "poem"})) == (422, "bad_input")


def test_a_dicom_segmentation_needs_a_dicom_series(server: Server) -> None:
    response = infer(server, {"image": "case_1", "output": "dicom_seg"})
    assert refusal(response) == (422, "unsupported_volume")
    assert "series" in response.json()["remedy"]


def test_an_archive_is_not_unpacked(server: Server, tmp_path: Path) -> None:
    url, sent = f"{server.url}/session/?uncompress=true", {"files": ("a.zip", b"PK")}
    assert refusal(requests.put(url, files=sent, timeout=30)) == (400, "bad_input")


def test_two_files_of_one_name_are_not_a_series(server: Server) -> None:
    sent = [("files", ("a.dcm", b"1")), ("files", ("b/a.dcm", b"2"))]
    response = requests.put(f"{server.url}/session/", files=sent, timeout=30)
    assert refusal(response) == (409, "conflict")


@pytest.mark.parametrize("image", ["../x", "/tmp/x", ".hidden", "a/b"])
def test_an_image_cannot_be_stored_outside_the_studies(server: Server, image: str) -> None:
    sent = {"file": ("x.nii.gz", (server.studies / "case_1.nii.gz").read_bytes())}
    url = f"{server.url}/datastore/image"
    response = requests.put(url, params={"image": image}, files=sent, timeout=30)
    assert refusal(response) == (400, "bad_input")


def test_a_damaged_image_is_not_stored(server: Server) -> None:
    sent = {"file": ("x.nii.gz", b"nothing")}
    response = requests.put(f"{server.url}/datastore/image?image=x", files=sent, timeout=30)
    assert refusal(response) == (400, "unreadable_file")


@pytest.mark.parametrize("tag", ["../x", "a/b", ".."])
def test_a_label_cannot_be_stored_outside_the_studies(server: Server, tag: str) -> None:
    sent = {"label": ("x.nii.gz", (server.studies / "case_1.nii.gz").read_bytes())}
    query = {"image": "case_1", "tag": tag}
    url = f"{server.url}/datastore/label"
    response = requests.put(url, params=query, files=sent, timeout=30)
    assert refusal(response) == (400, "bad_input")


def test_a_label_of_an_unknown_image_is_not_stored(server: Server, tmp_path: Path) -> None:
    path = _nifti(tmp_path / "x.nii.gz", np.ones((4, 4, 4), np.uint8))
    sent = {"label": ("x.nii.gz", path.read_bytes())}
    url = f"{server.url}/datastore/label?image=nobody"
    assert refusal(requests.put(url, files=sent, timeout=30)) == (404, "not_found")


@pytest.mark.parametrize(
    "query", ["image?image=../../etc/passwd", "image?image=/etc/passwd", "label?label=../x&tag=f"]
)
def test_nothing_outside_the_studies_can_be_read(server: Server, query: str) -> None:
    assert refusal(requests.get(f"{server.url}/datastore/{query}", timeout=30)) == (
        400,
        "bad_input",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "reload"),
        ("PUT", "model/tiny"),
        ("DELETE", "model/tiny"),
        ("POST", "infer/wsi_v2/tiny?image=/etc/passwd"),
    ],
)
def test_what_this_server_does_not_do_is_forbidden(server: Server, method: str, path: str) -> None:
    response = requests.request(method, f"{server.url}/{path}", timeout=30)
    assert refusal(response) == (403, "forbidden")


@pytest.mark.parametrize(
    "path", ["train/nosuch", "scoring/nosuch", "activelearning/nosuch", "batch/infer/nosuch"]
)
def test_an_unknown_job_is_not_found(server: Server, path: str) -> None:
    response = requests.post(f"{server.url}/{path}", json={}, timeout=30)
    assert refusal(response) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["train/tiny", "scoring/dice", "activelearning/random", "batch/infer/tiny"]
)
def test_a_job_with_a_bad_body_is_refused(server: Server, path: str) -> None:
    headers = {"Content-Type": "application/json"}
    url = f"{server.url}/{path}"
    response = requests.post(url, data=b"{bad", headers=headers, timeout=30)
    assert refusal(response) == (400, "bad_json")


def test_a_batch_of_paths_is_refused(server: Server) -> None:
    sent = {"images": ["/etc/passwd"]}
    response = requests.post(f"{server.url}/batch/infer/tiny", json=sent, timeout=30)
    assert refusal(response) == (400, "bad_input")


def test_an_unknown_route_is_not_found(server: Server) -> None:
    assert refusal(requests.get(f"{server.url}/nosuch", timeout=30)) == (404, "not_found")


@pytest.mark.parametrize("path", ["proxy/dicom/wado/x", "datastore/dataset"])
def test_what_is_missing_on_the_server_is_said(server: Server, path: str) -> None:
    status, code = refusal(requests.get(f"{server.url}/{path}", timeout=30))
    assert (status, code) in {(503, "unavailable"), (404, "not_found")}


def test_the_caller_may_name_the_request(server: Server) -> None:
    headers = {"X-Request-ID": "my-request.1"}
    response = requests.get(f"{server.url}/nosuch", headers=headers, timeout=30)
    assert response.json()["request_id"] == "my-request.1"


def test_an_upload_beyond_the_limit_is_refused_before_it_is_sent(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /infer/tiny HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5000000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=5) as peer:
        peer.sendall(head.encode())
        reply = b"".join(iter(lambda: peer.recv(65536), b""))  # until the server hangs up
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert json.loads(reply.split(b"\r\n\r\n", 1)[1])["code"] == "too_large"


def test_a_full_disk_is_no_fault_of_the_request(server: Server, tmp_path: Path) -> None:
    big = tmp_path / "big.nii.gz"
    files.write(big, an_image(4, (100, 100, 100)))
    with _files_no_larger_than(server, 1_000_000):
        response = infer(server, {}, upload=big)
    assert refusal(response) == (503, "storage_failed")


def test_an_answer_that_the_disk_refuses_is_not_left_in_part(
    server: Server, tmp_path: Path
) -> None:
    with _files_no_larger_than(server, 100):
        response = infer(server, {"image": "case_1"})
    assert refusal(response) == (503, "storage_failed")


def test_an_image_that_the_disk_refuses_is_not_stored_in_part(
    server: Server, tmp_path: Path
) -> None:
    image = tmp_path / "x.nii.gz"
    files.write(image, an_image(5, (40, 40, 40)))
    sent = {"file": (image.name, image.read_bytes())}
    with _files_no_larger_than(server, 10_000):
        response = requests.put(f"{server.url}/datastore/image?image=x", files=sent, timeout=30)
    assert refusal(response) == (503, "storage_failed")


@contextmanager
def _files_no_larger_than(server: Server, size: int) -> Iterator[None]:
    """The server's disk refuses to let any file grow beyond some bytes."""
    pid = server.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
