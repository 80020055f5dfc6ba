"""One PACS with a few series, and one server on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from lib.pacs.datastore import PacsDatastore
from lib.pacs.settings import PacsSettings
from tests.apps.pacs.misbehaving import Behaviour, misbehaving
from tests.apps.pacs.orthanc import Orthanc, running_orthanc
from tests.apps.pacs.seeds import a_series, presentation_of, read_slices
from tests.apps.running import Server, running

REAL = {"mr": "mr_t1post_siemens_espree_oblique", "ct": "ct_head_ge_ct8800_64px"}


SERIES = a_series("MR", slices=12)
"""What the PACS that misbehaves has."""

UID = str(SERIES[0].SeriesInstanceUID)


@dataclass(frozen=True)
class Hospital:
    """A PACS and the server on it.

    Args:
        series: SeriesInstanceUIDs by a short name: synthetic, mr and ct.
        cache: Folder that the server fetches into.
    """

    orthanc: Orthanc
    server: Server
    series: dict[str, str]
    cache: Path


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory, scanned: Path) -> Iterator[Hospital]:
    """Orthanc with the sample series, an oblique MR, a CT, a presentation state; no internet."""
    folder = tmp_path_factory.mktemp("hospital")
    seeded = {"synthetic": read_slices(scanned), **_real_or_made()}
    cache = folder / "cache"
    with running_orthanc(folder / "orthanc") as orthanc:
        for instances in seeded.values():
            orthanc.take(instances)
        orthanc.take([presentation_of(seeded["ct"][0])])
        # a proxy that nobody listens at: whatever is fetched from elsewhere fails
        elsewhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
        env = {**elsewhere, "no_proxy": "127.0.0.1"}
        conf = {"pacs_folder": str(cache)}
        (folder / "server").mkdir()
        with running(folder / "server", conf, env, pacs=orthanc.url) as server:
            uids = {name: str(s[0].SeriesInstanceUID) for name, s in seeded.items()}
            yield Hospital(orthanc, server, uids, cache)


def _real_or_made() -> dict[str, list[Dataset]]:
    """Series of real scanners where there are some, else made ones."""
    if "VERISIM_DATA" not in os.environ:
        return {"mr": a_series("MR"), "ct": a_series("CT")}
    folder = Path(os.environ["VERISIM_DATA"]) / "dicom"
    found = {name: read_slices(folder / series) for name, series in REAL.items()}
    frame = generate_uid()
    for instance in found["ct"]:
        instance.FrameOfReferenceUID = frame  # an old export without it: nothing could refer to it
    return found


@pytest.fixture
def pacs() -> Iterator[tuple[str, Behaviour]]:
    with misbehaving(SERIES) as running:
        yield running


@pytest.fixture
def behaviour(pacs: tuple[str, Behaviour]) -> Behaviour:
    return pacs[1]


@pytest.fixture
def settings(pacs: tuple[str, Behaviour], tmp_path: Path) -> PacsSettings:
    return PacsSettings(pacs[0], tmp_path / "pacs", read_seconds=0.4, fresh_seconds=0.0)


@pytest.fixture
def store(settings: PacsSettings) -> PacsDatastore:
    return PacsDatastore(settings)
