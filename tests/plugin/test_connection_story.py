"""A user names a server and tries it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import slicer

from tests.plugin.conftest import MODULES
from tests.slicer_host.acting import measured_gaps, picture, press, settle, write
from tests.slicer_host.window import Host


class Answer(BaseHTTPRequestHandler):
    """Says who it is, after a while."""

    def do_GET(self) -> None:
        time.sleep(self.server.delay_s)
        self.server.keys.append(self.headers.get("Authorization"))
        body = json.dumps({"name": "Verisim"}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """On a free port of this machine."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made.delay_s, made.status, made.keys = 0.2, 200, []
    made.address = f"http://127.0.0.1:{made.server_port}"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def box(host: Host) -> object:
    return host.load(MODULES / "VerisimSegment.py").panel.connection


def answered(box: object) -> bool:
    return box.ui.testButton.enabled


def test_a_typed_address_is_tried_and_remembered(
    host: Host, box: object, server: ThreadingHTTPServer, pictures: Path
) -> None:
    write(box.ui.address, f" {server.address}/ ")
    settle(lambda: answered(box))
    assert box.ui.status.text == "Connected to Verisim."
    assert box.ui.recentServers.itemText(0) == server.address
    assert slicer.app.userSettings().value("Verisim/servers").count(server.address) == 1
    picture(host.window, pictures / "connected.png")


def test_the_key_is_sent_and_kept_out_of_the_scene(
    box: object, server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    box.ui.address.text = server.address
    box.ui.apiKey.text = "open-sesame"
    press(box.ui.testButton)
    settle(lambda: answered(box))
    assert server.keys == ["Bearer open-sesame"]
    assert slicer.util.saveScene(str(tmp_path / "scene.mrml"), {})
    assert "open-sesame" not in (tmp_path / "scene.mrml").read_text()


def test_the_panel_never_stands_still_while_the_server_thinks(
    box: object, server: ThreadingHTTPServer
) -> None:
    box.ui.address.text = server.address
    with measured_gaps() as gaps:
        press(box.ui.testButton)
        assert not box.ui.testButton.enabled
        settle(lambda: answered(box))
    assert gaps.longest_ms < 50


def test_a_server_that_is_not_there_is_a_sentence(box: object) -> None:
    box.ui.address.text = "http://127.0.0.1:9"
    press(box.ui.testButton)
    settle(lambda: answered(box))
    assert "Nobody answers at http://127.0.0.1:9" in box.ui.status.text


def test_an_error_of_the_server_is_a_sentence(box: object, server: ThreadingHTTPServer) -> None:
    server.status = 500
    box.ui.address.text = server.address
    press(box.ui.testButton)
    settle(lambda: answered(box))
    assert "500" in box.ui.status.text


def test_closing_while_the_server_thinks_leaves_nothing(
    host: Host, box: object, server: ThreadingHTTPServer
) -> None:
    box.ui.address.text = server.address
    press(box.ui.testButton)
    host.close()


def test_an_empty_address_is_asked_for(box: object) -> None:
    box.ui.address.text = "  "
    press(box.ui.testButton)
    assert "Name a server" in box.ui.status.text
