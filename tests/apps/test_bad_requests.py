"""Requests beside `/infer` that the server refuses, and disks that refuse the server."""

from __future__ import annotations

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.apps.client import infer, refusal
from tests.apps.running import Server, an_image
from verisim import files
from verisim.volume import LabelMap

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


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
    path = tmp_path / "x.nii.gz"
    files.write(path, LabelMap(np.ones((4, 4, 4), np.uint8), np.eye(4), {"anterior": 1}))
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
