"""A server as `verisim serve` starts it, on studies that are named after patients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.apps.running import a_tiny_model, an_image
from verisim import files
from verisim.serving import Service, free_port, prepare_app, running

PATIENT = "MUSTERMANN_Erika_19640812"
"""Stands in the studies, and in what clients send: it must never come back out."""

ACCESS = "lib.watch.access"
"""Logger of the line that ends every request."""

FAULT = f'''

_checked = check_image_id


def check_image_id(image_id):
    """The same, but for one id an error that nobody expected."""
    if image_id == "broken":
        raise RuntimeError("/srv/studies/{PATIENT}.nii.gz is odd, {PATIENT}")
    return _checked(image_id)
'''


@dataclass(frozen=True)
class Watched:
    """A running server.

    Args:
        service: How it was started.
        folder: Holds all its folders.
        process: Its process.
    """

    service: Service
    folder: Path
    process: psutil.Process

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "server.log"

    def send(self, method: str, address: str, **more: object) -> requests.Response:
        """Ask it something."""
        return requests.request(method, f"{self.service.url}{address}", timeout=120, **more)  # type: ignore[arg-type]

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far; every line must be JSON."""
        return [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]

    def lines_of(self, request_id: str) -> list[dict[str, Any]]:
        """What its log tells of one request, which has been answered; the last line comes then."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            told = [line for line in self.lines() if line["request_id"] == request_id]
            if any(line["logger"] == ACCESS for line in told):
                return told
            time.sleep(0.05)
        raise AssertionError(f"The log tells nothing of {request_id}.")


@contextmanager
def watched(
    folder: Path, prepare: Callable[[Path], None] = lambda app: None, **options: object
) -> Iterator[Watched]:
    """Start a server that has the model "tiny" and fails on the image "broken"; stop it at last.

    Args:
        prepare: Changes the server's copy of the app before it starts.
        options: Of `Service`.
    """
    studies, models = folder / "studies", folder / "models"
    for made in (studies, models, folder / "temporary", folder / "sessions"):
        made.mkdir()
    a_tiny_model(models)
    files.write(studies / f"{PATIENT}.nii.gz", an_image(1))
    app = prepare_app(folder / "app")
    with (app / "lib" / "names.py").open("a") as source:
        source.write(FAULT)
    prepare(app)
    service = replace(Service(str(studies), app, models, port=free_port()), **options)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(folder / "temporary"))
        environment.setenv("MONAI_LABEL_SESSION_PATH", str(folder / "sessions"))
        environment.setenv("OMP_NUM_THREADS", "1")
        with running(service, folder / "server.log") as process:
            yield Watched(service, folder, process)
