"""Viewers such as OHIF look at the PACS through the server."""

from __future__ import annotations

import pytest
import requests

from tests.apps.client import SECONDS, refusal
from tests.apps.pacs.conftest import Hospital
from tests.apps.pacs.misbehaving import BOUNDARY, encoded
from tests.apps.pacs.seeds import a_series

pytestmark = pytest.mark.slow


def test_viewers_reach_the_pacs_through_the_server(hospital: Hospital) -> None:
    url, uid = f"{hospital.server.url}/proxy/dicom", hospital.series["ct"]
    query = {"SeriesInstanceUID": uid}
    (entry,) = requests.get(f"{url}/qido/series", query, timeout=SECONDS).json()
    assert entry["0020000E"]["Value"] == [uid]
    study = entry["0020000D"]["Value"][0]
    metadata = requests.get(f"{url}/wado/studies/{study}/series/{uid}/metadata", timeout=SECONDS)
    assert {e["0020000E"]["Value"][0] for e in metadata.json()} == {uid}
    for path in ("../instances", "wado/%2e%2e/system", "wado/system", "plugins"):
        assert requests.get(f"{url}/{path}", timeout=SECONDS).status_code in (400, 404)
    missing = requests.get(f"{url}/wado/studies/1.2.3/series/4.5.6", timeout=SECONDS)
    assert refusal(missing)[0] in (404, 503)


def test_viewers_store_through_the_server_and_only_there(hospital: Hospital) -> None:
    url, instance = f"{hospital.server.url}/proxy/dicom/stow", a_series("MR", "viewer")[0]
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = head + encoded(instance) + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    answer = requests.post(f"{url}/studies", body, headers=headers, timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    found = hospital.orthanc.client.search_for_series(
        search_filters={"SeriesInstanceUID": instance.SeriesInstanceUID}
    )
    assert len(found) == 1
    for path in ("instances", "studies/x/series", "tools/execute-script"):
        refused = requests.post(f"{url}/{path}", body, headers=headers, timeout=SECONDS)
        assert refusal(refused)[0] in (400, 404)
