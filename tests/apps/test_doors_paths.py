"""What leaves the server names no path, no patient and no line of a program; and no bombs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
import requests

from tests.apps.client import infer, refusal, session_of
from tests.apps.running import Server, an_image, running
from tests.bombs import BOMBS, forget_peak, peak_mb
from tests.samples import SERIES
from verisim import files
from verisim.errors import TooLarge

SLICE = SERIES / "IM00003.dcm"
PATIENT = "Zacharias"
MOST_MB = 150
"""Memory that a request with a bomb may take at its peak."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, with a label and an image that vanished."""
    with running(tmp_path_factory.mktemp("paths")) as started:
        _label(started)
        yield started


def _label(server: Server) -> None:
    answer = infer(server, {"image": "case_1"}, {"result_extension": ".nii.gz"})
    assert answer.status_code == 200
    content = files_of(server.studies)["case_1.nii.gz"]
    sent = {"label": ("/srv/secret/label.nii.gz", content), "params": (None, "{}")}
    ask(server, "PUT", "datastore/label?image=case_1&tag=other", files=sent)


def files_of(folder: Path) -> dict[str, bytes]:
    """The images of a folder."""
    return {path.name: path.read_bytes() for path in folder.glob("*.nii.gz")}


def ask(server: Server, method: str, path: str, **sent: object) -> requests.Response:
    """Send a request."""
    return requests.request(method, f"{server.url}/{path}", timeout=60, **sent)


def check_silent(server: Server, response: requests.Response) -> None:
    """Ask that an answer names nothing of the server's inside, and no patient."""
    folders = (server.studies, server.models, server.app, server.temporary, server.sessions)
    places = [*map(str, folders), str(server.studies.parent), sys.prefix, str(Path.home())]
    told = response.text + json.dumps(dict(response.headers))
    assert [place for place in places if place in told] == []
    assert "Traceback" not in told
    assert ", line " not in told
    assert PATIENT.lower() not in told.lower()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "info/"),
        ("GET", "datastore/?output=all"),
        ("GET", "datastore/?output=train"),
        ("GET", "datastore/?output=stats"),
        ("GET", "datastore/image/info?image=case_1"),
        ("GET", "datastore/image/info?image=nosuch"),
        ("GET", "datastore/label/info?label=case_1&tag=final"),
        ("GET", "datastore/image?image=nosuch"),
        ("GET", "datastore/label?label=nosuch&tag=final"),
        ("POST", "activelearning/random"),
        ("POST", "activelearning/uncertain"),
        ("POST", "infer/tiny?image=nosuch"),
        ("POST", "infer/tiny?image=/etc/hostname"),
        ("POST", "infer/nosuch?image=case_1"),
        ("POST", "infer/tiny-pair?image=case_1"),
        ("POST", "train/tiny"),
        ("POST", "scoring/dice?run_sync=true"),
        ("GET", "train/"),
        ("GET", "scoring/"),
        ("GET", "batch/infer"),
        ("GET", "model/info/tiny"),
        ("GET", "model/info/nosuch"),
        ("GET", "model/nosuch"),
        ("GET", "logs/?lines=100000&text=true"),
        ("GET", "logs/gpu"),
        ("GET", "session/nosuch"),
        ("DELETE", "session/nosuch"),
        ("DELETE", "datastore/image?id=nosuch"),
        ("DELETE", "datastore/label?id=nosuch&tag=final"),
        ("PUT", "datastore/image"),
        ("GET", "proxy/dicom/wado/studies"),
        ("GET", "ohif/nosuch"),
        ("GET", "static/nosuch"),
        ("GET", "health"),
        ("GET", "metrics"),
        ("GET", "nosuch"),
    ],
)
def test_no_answer_names_a_path(server: Server, method: str, path: str) -> None:
    check_silent(server, ask(server, method, path))


def test_a_session_and_its_file_name_no_path(server: Server) -> None:
    content = files_of(server.studies)["case_1.nii.gz"]
    sent = [("files", ("/srv/secret/x.nii.gz", content))]
    made = ask(server, "PUT", "session/", files=sent)
    assert made.status_code == 200
    check_silent(server, made)
    assert "secret" not in made.text
    name = f"session/{made.json()['session_id']}"
    for method, path in (("GET", name), ("GET", f"{name}?update_ts=true"), ("DELETE", name)):
        answer = ask(server, method, path)
        assert answer.status_code == 200
        check_silent(server, answer)


def test_an_image_that_vanished_from_the_disk_is_missed_without_its_path(server: Server) -> None:
    gone = server.studies / "gone.nii.gz"
    files.write(gone, an_image(3))
    sent = {"file": (gone.name, gone.read_bytes())}
    assert ask(server, "PUT", "datastore/image?image=gone", files=sent).status_code == 200
    gone.unlink()
    answer = infer(server, {"image": "gone"})
    assert answer.status_code in (404, 503)
    check_silent(server, answer)


def damaged_slices() -> dict[str, Callable[[pydicom.Dataset], object]]:
    """Ways to break a slice whose header names a patient."""
    return {
        "no place": lambda header: header.__delitem__("ImagePositionPatient"),
        "colours": lambda header: setattr(header, "PhotometricInterpretation", "RGB"),
        "no rows": lambda header: setattr(header, "Rows", 0),
        "frames": lambda header: setattr(header, "NumberOfFrames", 3),
        "huge": lambda header: (setattr(header, "Rows", 65535), setattr(header, "Columns", 65535)),
        "cut": lambda header: setattr(header, "PixelData", header.PixelData[:100]),
    }


@pytest.mark.parametrize("way", damaged_slices())
def test_a_damaged_slice_is_refused_without_the_patients_name(
    server: Server, tmp_path: Path, way: str
) -> None:
    header = pydicom.dcmread(SLICE)
    header.PatientName = header.PatientID = header.SeriesDescription = PATIENT
    damaged_slices()[way](header)
    path = tmp_path / "slice.dcm"
    header.save_as(path)
    answer = infer(server, {"image": "", "session_id": session_of(server, [path])})
    assert 400 <= answer.status_code < 500
    check_silent(server, answer)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_cut_off_and_takes_no_memory(server: Server, tmp_path: Path, name: str) -> None:
    file, content, error = BOMBS[name]
    path = tmp_path / file
    path.write_bytes(content())
    before = forget_peak(server.process.pid)
    answers = [infer(server, {"image": ""}, upload=path)]
    if path.suffix != ".dcm":
        sent = path.read_bytes()
        answers.append(ask(server, "PUT", "datastore/image?image=b", files={"file": (file, sent)}))
        url = "datastore/label?image=case_1"
        answers.append(ask(server, "PUT", url, files={"label": (file, sent)}))
    else:
        answers.append(infer(server, {"session_id": session_of(server, [path])}))
    expected = (413, "too_large") if error is TooLarge else (400, "unreadable_file")
    assert [refusal(answer) for answer in answers] == [expected] * len(answers)
    assert peak_mb(server.process.pid) - before < MOST_MB
    assert not (server.studies / file.replace("v.", "b.", 1)).exists()


def test_pages_of_elsewhere_can_neither_read_nor_send(server: Server) -> None:
    evil = {"Origin": "https://evil.example"}
    told = requests.get(f"{server.url}/info/", headers=evil, timeout=30)
    assert "access-control-allow-origin" not in told.headers
    asked = evil | {"Access-Control-Request-Method": "PUT"}
    preflight = requests.options(f"{server.url}/session/", headers=asked, timeout=30)
    assert preflight.status_code == 400
    for path in ("train/tiny", "activelearning/random"):
        sent = requests.post(f"{server.url}/{path}", headers=evil, timeout=30)
        assert refusal(sent) == (403, "forbidden")
    rebound = requests.get(f"{server.url}/info/", headers={"Host": "evil.example"}, timeout=30)
    assert refusal(rebound) == (403, "forbidden")
    probe = requests.get(f"{server.url}/health/live", headers={"Host": "pod.example"}, timeout=30)
    assert probe.status_code == 200  # who watches over the server has no key


def test_a_listed_page_may(tmp_path: Path) -> None:
    page = "https://ohif.example"
    with running(tmp_path, {"origins": page}) as server:
        told = requests.get(f"{server.url}/info/", headers={"Origin": page}, timeout=30)
        assert told.headers["access-control-allow-origin"] == page
        url = f"{server.url}/activelearning/random"
        assert requests.post(url, headers={"Origin": page}, timeout=30).status_code == 200
