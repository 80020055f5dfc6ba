"""A server whose PACS is down, silent, or wants other credentials."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import requests

from tests.apps.client import SECONDS, infer, refusal
from tests.apps.pacs.misbehaving import Handler, misbehaving
from tests.apps.pacs.orthanc import running_orthanc
from tests.apps.pacs.seeds import a_series
from tests.apps.running import Server, running
from verisim.serving import free_port

pytestmark = pytest.mark.slow

SERIES = a_series("MR")
UID = str(SERIES[0].SeriesInstanceUID)
PASSWORD = {"MONAI_LABEL_DICOMWEB_USERNAME": "doctor", "MONAI_LABEL_DICOMWEB_PASSWORD": "secret"}


def listed(server: Server) -> requests.Response:
    return requests.get(f"{server.url}/datastore/?output=all", timeout=SECONDS)


def listed_with(server: Server, status: int) -> requests.Response:
    """The list, or the refusal: both are remembered for a few seconds."""
    deadline = time.monotonic() + 30
    while (answer := listed(server)).status_code != status and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def test_the_server_starts_while_the_pacs_is_down_and_finds_it_when_it_is_back(
    tmp_path: Path,
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/dicom-web"
    conf = {"pacs_folder": str(tmp_path / "cache")}
    with running(tmp_path, conf, PASSWORD, pacs=address) as server:
        assert refusal(listed(server)) == (503, "unavailable")
        assert refusal(infer(server, {"image": UID})) == (503, "unavailable")
        proxied = requests.get(f"{server.url}/proxy/dicom/qido/studies", timeout=SECONDS)
        assert refusal(proxied) == (503, "unavailable")
        info = requests.get(f"{server.url}/info/", timeout=SECONDS)
        assert "cannot be reached" in info.json()["datastore"]["unavailable"]
        assert "tiny" in info.json()["models"]

        with running_orthanc(tmp_path / "orthanc", port, ("doctor", "secret")) as orthanc:
            orthanc.take(SERIES)
            assert list(listed_with(server, 200).json()["objects"]) == [UID]
            assert infer(server, {"image": UID}).status_code == 200
        with running_orthanc(tmp_path / "orthanc", port, ("doctor", "changed")):
            answer = listed_with(server, 503)
            assert refusal(answer) == (503, "unavailable")
            assert "credentials (401)" in answer.json()["message"]
        assert "secret" not in server.log.read_text()


def test_a_silent_pacs_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    conf = {"pacs_folder": str(tmp_path / "cache"), "pacs_read_seconds": "20"}
    with misbehaving(SERIES) as (address, behaviour):
        behaviour.search = Handler.wait
        with running(tmp_path, conf, pacs=address) as server:
            waiting = [threading.Thread(target=listed, args=(server,)) for _ in range(3)]
            for thread in waiting:
                thread.start()
            start = time.monotonic()
            health = requests.get(f"{server.url}/model/", timeout=SECONDS)
            assert health.status_code in (200, 404, 405)
            assert time.monotonic() - start < 5
            info = requests.get(f"{server.url}/info/", timeout=SECONDS).json()
            assert "silent" in info["datastore"]["unavailable"]
            assert any(thread.is_alive() for thread in waiting)
            behaviour.search = None
            behaviour.silence.set()
            for thread in waiting:
                thread.join()
            assert list(listed_with(server, 200).json()["objects"]) == [UID]
