"""Clients that go away in the middle of an upload or of a result."""

from __future__ import annotations

import socket
import struct
from urllib.parse import urlsplit

import requests

from serving_jobs.bounded import TimeIsUp, until
from serving_jobs.client import Client, result_path
from serving_jobs.faults.scene import LONG, PATIENCE, SHORT, SUFFIX, Scene, Tally
from serving_jobs.laws import Law
from serving_jobs.process import Server

SETTLED = 15.0
"""Seconds in which a server must have put away what a lost client left."""


def client_gone_mid_upload(scene: Scene) -> Law:
    """Connections are cut after some part of the request."""
    tally = Tally(f"client gone mid-upload ×{scene.times}", "the server did a job")
    draw = scene.draw()
    with scene.server("upload") as server:
        server.start()
        client = server.client()
        scene.right(client, _done(scene, client), SHORT)
        files, opened = server.files(), server.seen().num_fds()
        running = scene.hand_in(client, LONG)
        request = _upload(scene, server)
        for _ in range(scene.times):
            _cut_off(server.url, request[: int(draw.uniform(0.05, 0.98) * len(request))])
        state = client.ended(running.id, PATIENCE).state
        tally.check(state == "done", "the running job ended well", f"the running job {state}")
        tally.check(scene.right(client, running.id, LONG), "result right", "result wrong")
        tally.check(len(client.mine()) == 2, "no job came of it", "jobs of half requests")
        client.forget(running.id)
        _check_nothing_left(server, tally, files, opened)
        server.stop()
    return tally.law()


def client_gone_mid_result(scene: Scene) -> Law:
    """Connections are cut after some part of the answer."""
    tally = Tally(f"client gone mid-result ×{scene.times}", "a result was sent")
    draw = scene.draw()
    with scene.server("result") as server:
        server.start()
        client = server.client()
        job = scene.hand_in(client, LONG)
        client.ended(job.id, PATIENCE)
        tally.check(scene.right(client, job.id, LONG), "result right before", "result wrong")
        files, opened = server.files(), server.seen().num_fds()
        path = result_path(job.id, f"label{SUFFIX}")
        for _ in range(scene.times):
            request = f"GET {path} HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\n\r\n"
            _cut_off(server.url, request.encode(), read=draw.randrange(1, 100_000))
        tally.check(scene.right(client, job.id, LONG), "result right after", "result lost")
        _check_nothing_left(server, tally, files, opened)
        server.stop()
    return tally.law()


def _done(scene: Scene, client: Client) -> str:
    """A job of the past, so that the model is loaded and connections are open."""
    job = scene.hand_in(client, SHORT)
    client.ended(job.id, PATIENCE)
    return job.id


def _check_nothing_left(server: Server, tally: Tally, files: set[str], opened: int) -> None:
    try:
        until(lambda: len(server.files() - files), lambda more: more == 0, SETTLED, 0.2)
        until(lambda: server.seen().num_fds(), lambda now: now <= opened, SETTLED, 0.2)
        tally.found["no file, no connection left"] += 1
    except TimeIsUp:
        more = sorted(server.files() - files)
        tally.wrong[f"left: {more[:3]}, {server.seen().num_fds() - opened} open files"] += 1


def _upload(scene: Scene, server: Server) -> bytes:
    """All bytes of a request that hands in the long volume."""
    volume = scene.volume(LONG)
    made = requests.Request(
        "POST",
        f"{server.url}/jobs/segment",
        files={"file": (volume.name, volume.read_bytes())},
        data={"params": "{}"},
    ).prepare()
    assert isinstance(made.body, bytes)
    lines = [f"{name}: {made.headers[name]!s}" for name in ("Content-Type", "Content-Length")]
    head = [f"POST {made.path_url} HTTP/1.1", f"Host: {urlsplit(server.url).netloc}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + made.body


def _cut_off(url: str, request: bytes, read: int = 0) -> None:
    """Send, read some bytes, and vanish: the other side gets a reset, not an end."""
    place = urlsplit(url)
    connection = socket.create_connection((place.hostname, place.port), timeout=30)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with connection:
        connection.sendall(request)
        while read > 0 and (piece := connection.recv(min(read, 4096))):
            read -= len(piece)
