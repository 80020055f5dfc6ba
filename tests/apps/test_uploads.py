"""A volume is sent once: uploads that are kept, packed bodies, sessions that are used again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.apps.client import refusal
from tests.apps.running import Server, an_image, running
from verisim import files
from verisim.keys import new_key

LIMIT_MB = 30


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that accepts 30 MB and keeps 40."""
    conf = {"max_upload_mb": str(LIMIT_MB), "keep_mb": "40"}
    with running(tmp_path_factory.mktemp("small"), conf) as started:
        yield started


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("volume") / "volume.nii.gz"
    files.write(path, an_image(5))
    return path.read_bytes()


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def send(
    server: Server, content: bytes, name: str = "v.nii.gz", **headers: str
) -> requests.Response:
    address = f"{server.url}/uploads/{hash_of(content)}?name={name}"
    return requests.put(address, data=content, headers=headers, timeout=120)


def is_kept(server: Server, key: str) -> bool:
    answer = requests.head(f"{server.url}/uploads/{key}", timeout=60)
    assert answer.status_code in (200, 404)
    return answer.ok


def kept_files(server: Server) -> set[Path]:
    folder = server.app / "kept-uploads"
    return {path for path in folder.rglob("*") if path.is_file() and path.name != ".last-seen"}


def label_map(answer: requests.Response) -> bytes:
    assert answer.status_code == 200, answer.text
    return answer.content.partition(b"\n\n")[2]  # the header tells the time of writing


def test_a_kept_upload_is_segmented_like_the_file_itself(small: Server, volume: bytes) -> None:
    assert not is_kept(small, hash_of(volume + b"x"))
    assert send(small, volume).status_code == 201
    assert is_kept(small, hash_of(volume))
    address = f"{small.url}/infer/tiny?output=image"
    kept = requests.post(f"{address}&upload={hash_of(volume)}", timeout=120)
    sent = requests.post(address, files={"file": ("v.nii.gz", volume)}, timeout=120)
    assert label_map(kept) == label_map(sent)


def test_a_job_uses_a_kept_upload(small: Server, volume: bytes) -> None:
    send(small, volume)
    address = f"{small.url}/jobs/segment?upload={hash_of(volume)}"
    answer = requests.post(address, data={"params": json.dumps({"model": "tiny"})}, timeout=60)
    assert answer.status_code == 202, answer.text
    address = f"{small.url}{answer.json()['status_url']}"
    end = time.monotonic() + 60
    state = ""
    while state != "done" and time.monotonic() < end:
        state = requests.get(f"{small.url}{answer.json()['status_url']}", timeout=60).json()[
            "state"
        ]
    assert state == "done"


def test_nothing_is_kept_of_content_that_has_another_hash(small: Server) -> None:
    before = kept_files(small)
    address = f"{small.url}/uploads/{hash_of(b'this')}?name=v.nii"
    answer = requests.put(address, data=b"that", timeout=60)
    assert refusal(answer) == (400, "wrong_hash")
    assert kept_files(small) == before
    assert not is_kept(small, hash_of(b"this"))
    assert not list((small.app / "kept-uploads").glob(".writing-*"))


@pytest.mark.parametrize("key", ["short", "..%2f..%2fx", "A" * 64, "0" * 63 + "g"])
def test_a_key_that_is_no_hash_is_refused(small: Server, key: str) -> None:
    answer = requests.put(f"{small.url}/uploads/{key}", data=b"x", timeout=60)
    assert answer.status_code in (400, 404)


def test_files_are_private_and_named_without_what_the_client_said(small: Server) -> None:
    content = b"private"
    send(small, content, name="MUSTERMANN Erika.nrrd")
    (path,) = [p for p in kept_files(small) if p.parent.name == hash_of(content)]
    assert path.name == "volume.nrrd"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in list(path.parents)[:3]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_upload_can_be_deleted_and_sent_again(small: Server) -> None:
    content = b"deleted and sent again"
    address = f"{small.url}/uploads/{hash_of(content)}"
    for _ in range(2):
        assert send(small, content).status_code == 201
        assert requests.delete(address, timeout=60).status_code == 204
        assert not is_kept(small, hash_of(content))
    assert refusal(requests.delete(address, timeout=60)) == (404, "not_found")


def test_several_uploads_become_a_series(small: Server, scanned: Path) -> None:
    contents = [path.read_bytes() for path in sorted(scanned.glob("*.dcm"))]
    for content in contents:
        send(small, content, name="slice.dcm")
    keys = [hash_of(content) for content in contents]
    answer = requests.post(f"{small.url}/uploads/series", json={"files": keys}, timeout=60)
    assert answer.status_code == 201
    key = answer.json()["id"]
    assert key == hash_of("\n".join(sorted(keys)).encode())
    assert is_kept(small, key)
    segmented = requests.post(f"{small.url}/infer/tiny?output=image&upload={key}", timeout=120)
    sent = [("files", (f"{n}.dcm", content)) for n, content in enumerate(contents)]
    session = requests.put(f"{small.url}/session/", files=sent, timeout=60).json()["session_id"]
    same = requests.post(f"{small.url}/infer/tiny?output=image&session_id={session}", timeout=120)
    assert label_map(segmented) == label_map(same)
    missing = {"files": [*keys, hash_of(b"never sent")]}
    answer = requests.post(f"{small.url}/uploads/series", json=missing, timeout=60)
    assert refusal(answer) == (404, "not_found")


def test_the_upload_that_was_unused_for_the_longest_time_leaves(small: Server) -> None:
    contents = [os.urandom(15_000_000) for _ in range(3)]
    keys = [hash_of(content) for content in contents]
    send(small, contents[0])
    send(small, contents[1])
    assert is_kept(small, keys[0])  # used once more
    send(small, contents[2])
    assert [is_kept(small, key) for key in keys] == [True, False, True]


def test_the_same_content_opens_the_same_session(small: Server, volume: bytes) -> None:
    def opened(content: bytes, name: str = "v.nii.gz") -> str:
        answer = requests.put(
            f"{small.url}/session/", files={"files": (name, content)}, timeout=60
        )
        session: str = answer.json()["session_id"]
        return session

    def closed(session: str) -> int:
        return requests.delete(f"{small.url}/session/{session}", timeout=60).status_code

    first = opened(volume)
    assert opened(volume, "other.nii.gz") == first
    assert opened(volume + b"x") != first
    assert len(list(small.sessions.glob(f"{first}/*.nii.gz"))) == 1
    address = f"{small.url}/infer/tiny?output=json&session_id={first}"
    assert requests.post(address, timeout=120).status_code == 200
    assert closed(first) == 200
    assert requests.post(address, timeout=120).status_code == 404
    assert closed(first) == 404
    assert opened(volume) != first


def test_nothing_that_is_sent_comes_into_the_datastore(small: Server, volume: bytes) -> None:
    before = set(small.studies.rglob("*"))
    send(small, volume)
    requests.post(f"{small.url}/infer/tiny?upload={hash_of(volume)}", timeout=120)
    requests.put(f"{small.url}/session/", files={"files": ("v.nii.gz", volume)}, timeout=60)
    assert set(small.studies.rglob("*")) == before


def test_a_server_that_is_started_again_still_keeps_uploads_and_clears_what_is_unfinished(
    tmp_path: Path, volume: bytes
) -> None:
    kept = tmp_path / "kept"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with running(tmp_path / "first", {"uploads": str(kept)}) as server:
        send(server, volume)
    left = kept / ".writing-of-a-killed-server"
    left.mkdir()
    (left / "volume.nii").write_bytes(b"half")
    with running(tmp_path / "second", {"uploads": str(kept)}) as server:
        assert is_kept(server, hash_of(volume))
        assert not left.exists()
        shutil.rmtree(kept)


def test_users_do_not_learn_what_others_have_sent(tmp_path: Path, volume: bytes) -> None:
    keys = [new_key(name, "reader") for name in ("anna", "bert")]
    env = {"VERISIM_API_KEYS": ";".join(entry.line for _, entry in keys)}
    with running(tmp_path, env=env) as server:
        mine, yours = ({"X-API-Key": key} for key, _ in keys)
        assert send(server, volume, **mine).status_code == 201
        address = f"{server.url}/uploads/{hash_of(volume)}"
        assert requests.head(address, headers=mine, timeout=60).status_code == 200
        assert requests.head(address, headers=yours, timeout=60).status_code == 404
        asked = f"{server.url}/infer/tiny?output=json&upload={hash_of(volume)}"
        assert requests.post(asked, headers=yours, timeout=60).status_code == 404
        assert requests.delete(address, headers=yours, timeout=60).status_code == 404
        assert requests.post(asked, headers=mine, timeout=120).status_code == 200
