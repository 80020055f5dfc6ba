"""Debian's Orthanc with its DICOMweb plugin, on a free loopback port."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset

from verisim.serving import free_port

PACKAGES = ("orthanc", "orthanc-dicomweb")
PLUGINS = ("/usr/share/orthanc/plugins", "/usr/lib/orthanc")
START_SECONDS = 60


@dataclass(frozen=True)
class Orthanc:
    """A running PACS.

    Args:
        url: Of its DICOMweb service.
        process: Its process.
        user: Name and password, if it asks for them.
    """

    url: str
    process: subprocess.Popen[bytes]
    user: tuple[str, str] | None = None

    @property
    def client(self) -> DICOMwebClient:
        """A client that knows nothing of the server under test."""
        session = requests.Session()
        session.auth = self.user
        session.headers["Connection"] = "close"
        return DICOMwebClient(self.url, session=session)

    def take(self, instances: list[Dataset]) -> None:
        """Store instances."""
        receipt = self.client.store_instances(instances)
        assert len(receipt.ReferencedSOPSequence) == len(instances), receipt

    def segmentations(self, image: str) -> list[Dataset]:
        """The segmentations of a series, as stored, oldest first."""
        found = self.client.search_for_series(search_filters={"Modality": "SEG"})
        stored = [
            instance
            for series in found
            for instance in self.client.retrieve_series(
                series["0020000D"]["Value"][0], series["0020000E"]["Value"][0]
            )
        ]
        mine = [s for s in stored if s.ReferencedSeriesSequence[0].SeriesInstanceUID == image]
        return sorted(mine, key=lambda s: (s.ContentDate, s.ContentTime))


@contextmanager
def running_orthanc(
    folder: Path, port: int | None = None, user: tuple[str, str] | None = None
) -> Iterator[Orthanc]:
    """Start it with its storage in a folder, wait until it answers, and end it afterwards."""
    program, plugin = _program(), _plugin()
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": user is not None,
        "RegisteredUsers": dict([user]) if user else {},
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(plugin)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "orthanc.log").open("ab") as log:
        process = subprocess.Popen(
            [program, folder / "orthanc.json"], cwd=folder, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}/dicom-web"
    try:
        _wait(url, process, folder / "orthanc.log")
        yield Orthanc(url, process, user)
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"{url}/studies", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)  # still starting
        else:
            return
    pytest.fail(f"Orthanc did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _program() -> str:
    """Orthanc itself, installed now if this is a machine of nobody's."""
    found = _found()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", *PACKAGES]):
            subprocess.run(command, env=quiet, capture_output=True, check=False, timeout=240)
        found = _found()
    if found is None:
        pytest.fail(f"This test needs a PACS: apt-get install {' '.join(PACKAGES)}")
    return found


def _found() -> str | None:
    return shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _plugin() -> Path:
    for folder in PLUGINS:
        for path in sorted(Path(folder).glob("libOrthancDicomWeb.so*")):
            return path
    pytest.fail("Orthanc is here, its DICOMweb plugin is not: apt-get install orthanc-dicomweb")
