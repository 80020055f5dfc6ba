"""A server that misbehaves as it is told: a program of its own, so that it takes no turn of ours.

It speaks the routes that a segmentation needs. `POST /_behave` sets what it does next, and
`GET /_seen` tells what it was asked: both are for tests.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "plugin" / "Verisim"))

from VerisimLib.nrrd import Grid, packed, unpacked

MODEL = {
    "type": "segmentation",
    "description": "Finds what is bright.",
    "labels": {"bright": 1},
    "channels": ["image"],
    "version": 3,
    "config": {},
}
WELL = {
    "info": {"name": "Verisim", "version": "0.1.0", "models": {"bright": MODEL}},
    "key": "",  # what the person must send; empty: nothing
    "refuse": {},  # by route: status, headers, body
    "silent": {},  # by route: seconds before the answer
    "cut": [],  # routes whose answers end in the middle
    "looks": 2,  # at a running job until it is done; -1: never
    "crop": 0,  # voxels that the answer lacks
    "rate": 0,  # bytes a second, both ways; 0: as fast as it goes
}
PIECE = 1 << 16
told = dict(WELL)
seen: list[str] = []
uploads: dict[str, bytes] = {}
looked = [0]


def mask(content: bytes) -> bytes:
    """What is brighter than the mean, as a label map on the same voxels."""
    grid = unpacked(content)
    array = grid.array if grid.array.ndim == 3 else grid.array[0]
    bright = (array > array.mean()).astype("u1")[told["crop"] :]
    return packed(Grid(bright, grid.affine))


class Answer(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do(self) -> None:
        route = self.path.split("?")[0]
        body = self._body()
        if route == "/_behave":
            told.clear()
            told.update({**WELL, **json.loads(body)})
            for kept in (seen, uploads):
                kept.clear()
            looked[0] = 0
            return self._send(b"{}")
        if route == "/_seen":
            return self._send(json.dumps(seen).encode())
        seen.append(f"{self.command} {route.split('/u')[0]}{'/u' * route.startswith('/u')}")
        if self.command != "DELETE":
            time.sleep(told["silent"].get(route, 0))
        if told["key"] and self.headers.get("X-API-Key") != told["key"]:
            return self._send(b"{}", 401)
        if route in told["refuse"]:
            status, headers, said = told["refuse"][route]
            return self._send(json.dumps(said).encode(), status, headers)
        return self._do(route, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do

    def _do(self, route: str, body: bytes) -> None:
        files = [{"name": "label.nrrd", "bytes": 1, "url": "/jobs/1/files/label.nrrd"}]
        if route == "/info/":
            self._send(json.dumps(told["info"]).encode())
        elif route.startswith("/uploads/"):
            if self.command == "PUT":
                uploads[route] = body
            self._send(b"", 200 if route in uploads else 404)
        elif route == "/jobs/segment":
            self._send(b'{"id": "1"}')
        elif route == "/jobs/1":
            looked[0] += 1
            done = 0 <= told["looks"] < looked[0]
            state = "done" if done else "running"
            self._send(json.dumps({"id": "1", "state": state, "files": files}).encode())
        elif route == "/jobs/1/files/label.nrrd":
            self._send(mask(next(iter(uploads.values()))))
        elif route.startswith("/infer/"):
            start = body.index(b"NRRD0004")
            self._send(mask(body[start : body.rindex(b"\r\n--")]))
        else:
            self._send(b'{"detail": "Not Found"}', 404)

    def _body(self) -> bytes:
        left, content = int(self.headers.get("Content-Length") or 0), bytearray()
        while left > len(content):
            content += self.rfile.read(min(PIECE, left - len(content)))
            self._wait()
        return bytes(content)

    def _wait(self) -> None:
        if told["rate"]:
            time.sleep(PIECE / told["rate"])

    def _send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        route = self.path.split("?")[0]
        body = body[: len(body) // 2] if route in told["cut"] else body
        if self.command != "HEAD":
            for start in range(0, len(body), PIECE):
                self.wfile.write(body[start : start + PIECE])
                self._wait()
        self.close_connection = route in told["cut"]

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Silent about connections that a person has cut."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Answer)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
