"""Bodies that come packed: unpacked as they come, and cut off when they become too much."""

from __future__ import annotations

import gzip
import io
import os
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests
import zstandard

from tests.apps.client import refusal
from tests.apps.running import Server, an_image, running
from tests.apps.test_uploads import hash_of, kept_files, label_map, send
from verisim import files


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that accepts 30 MB."""
    with running(tmp_path_factory.mktemp("small"), {"max_upload_mb": "30"}) as started:
        yield started


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("volume") / "volume.nii.gz"
    files.write(path, an_image(5))
    return path.read_bytes()


PACKERS = {"gzip": gzip.compress, "zstd": zstandard.compress}


@pytest.mark.parametrize("encoding", PACKERS)
def test_packed_bodies_are_unpacked_on_every_route_for_files(
    small: Server, volume: bytes, encoding: str
) -> None:
    packed = PACKERS[encoding](gzip.decompress(volume))
    plain = gzip.decompress(volume)
    header = {"Content-Encoding": encoding}
    answer = requests.put(
        f"{small.url}/uploads/{hash_of(plain)}?name=v.nii", data=packed, headers=header, timeout=60
    )
    assert answer.status_code == 201, answer.text
    form = requests.Request("POST", small.url, files={"file": ("v.nii", plain)}).prepare()
    header["Content-Type"] = form.headers["Content-Type"]
    assert isinstance(form.body, bytes)
    body = PACKERS[encoding](form.body)
    address = f"{small.url}/infer/tiny?output=image"
    packed_answer = requests.post(address, data=body, headers=header, timeout=120)
    kept_answer = requests.post(f"{address}&upload={hash_of(plain)}", timeout=120)
    assert label_map(packed_answer) == label_map(kept_answer)


def test_an_encoding_that_is_not_known_is_refused(small: Server, volume: bytes) -> None:
    for encoding in ("br", "gzip, zstd", "x"):
        answer = send(small, volume, **{"Content-Encoding": encoding})
        assert answer.status_code == 415
        assert answer.headers["Accept-Encoding"] == "gzip, zstd"
    body = gzip.compress(b"{}")
    answer = requests.post(
        f"{small.url}/train/tiny", data=body, headers={"Content-Encoding": "gzip"}, timeout=60
    )
    assert answer.status_code == 415


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("harm", ["cut", "damaged", "not packed"])
def test_a_body_that_cannot_be_unpacked_is_refused(
    small: Server, encoding: str, harm: str
) -> None:
    packed = PACKERS[encoding](os.urandom(100_000))
    body = {"cut": packed[:-9], "damaged": packed[:3] + packed[9:], "not packed": b"x" * 99}[harm]
    before = kept_files(small)
    answer = send(small, body, **{"Content-Encoding": encoding})
    assert refusal(answer) == (400, "bad_input")
    assert kept_files(small) == before


def a_bomb(encoding: str) -> bytes:
    """A gigabyte of zeros."""
    million = bytes(1_000_000)
    if encoding == "gzip":
        packer = zlib.compressobj(9, wbits=31)
        return b"".join(packer.compress(million) for _ in range(1000)) + packer.flush()
    target = io.BytesIO()
    with zstandard.ZstdCompressor(19).stream_writer(target, closefd=False) as writer:
        for _ in range(1000):
            writer.write(million)
    return target.getvalue()


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_small_body_that_becomes_a_gigabyte_is_cut_off(small: Server, encoding: str) -> None:
    bomb = a_bomb(encoding)
    assert len(bomb) < 2_000_000
    server, most, stop = psutil.Process(small.process.pid), [0], threading.Event()
    before = server.memory_info().rss

    def watch() -> None:
        while not stop.wait(0.01):
            most[0] = max(most[0], server.memory_info().rss)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        answer = send(small, bomb, **{"Content-Encoding": encoding})
        stop.set()
        watching.result()
    assert refusal(answer) == (413, "too_large")
    assert most[0] - before < 200_000_000
    assert not list((small.app / "kept-uploads").glob(".writing-*"))
