"""Requests to the server, and what came back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import requests
from requests_toolbelt.multipart.decoder import MultipartDecoder

from tests.apps.running import Server
from verisim import files

SECONDS = 120


@dataclass(frozen=True)
class Reply:
    """The default reply of /infer, taken apart.

    Args:
        params: The JSON part.
        name: File name of the label map.
        content: Its bytes.
    """

    params: Mapping[str, Any]
    name: str
    content: bytes

    def saved(self, folder: Path) -> Path:
        """The label map as a file."""
        path = folder / self.name
        path.write_bytes(self.content)
        return path


def infer(
    server: Server,
    query: Mapping[str, str],
    params: Mapping[str, Any] | None = None,
    upload: Path | None = None,
    model: str = "tiny",
) -> requests.Response:
    """Ask for a segmentation."""
    files = {"params": (None, json.dumps(dict(params or {})))}
    if upload is not None:
        files["file"] = (upload.name, upload.read_bytes())
    return requests.post(
        f"{server.url}/infer/{model}", params=dict(query), files=files, timeout=SECONDS
    )


def taken_apart(response: requests.Response) -> Reply:
    """The two parts of a successful default reply."""
    assert response.status_code == 200, response.text
    parts = MultipartDecoder(response.content, response.headers["Content-Type"]).parts
    params, image = parts
    disposition = image.headers[b"Content-Disposition"].decode()
    return Reply(json.loads(params.text), disposition.split('filename="')[1][:-1], image.content)


def voxels(reply: Reply) -> npt.NDArray[Any]:
    """The label map's voxels, (X, Y, Z)."""
    with tempfile.TemporaryDirectory() as folder:
        return files.read_label_map(reply.saved(Path(folder))).array


def session_of(server: Server, paths: list[Path]) -> str:
    """The id of a session that holds some files."""
    files = [("files", (path.name, path.read_bytes())) for path in paths]
    response = requests.put(f"{server.url}/session/", files=files, timeout=SECONDS)
    assert response.status_code == 200, response.text
    return str(response.json()["session_id"])


def refusal(response: requests.Response) -> tuple[int, str]:
    """Status and code of an error, after asking that it has the form of all errors."""
    body = response.json()
    assert set(body) == {"code", "message", "remedy", "request_id"}, body
    assert body["message"]
    assert body["remedy"]
    assert response.headers["X-Request-ID"] == body["request_id"]
    return response.status_code, str(body["code"])
