"""The door of the training pool: synthetic images need the certificate of an audit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests
from monailabel.datastore.local import LocalDatastore

from lib.datastore import SafeDatastore
from lib.labelled import labelled_cases
from lib.scoring import AuditScore
from tests.apps.running import Server
from tests.apps.studies import open_studies, write_case
from tests.audit.released import a_report_on, a_set
from verisim import files
from verisim.audit.release import release
from verisim.card import ModelCard
from verisim.errors import Unreleased

SECONDS = 120


@pytest.fixture
def released(tmp_path: Path, a_generator: ModelCard) -> Path:
    """Three cases that an audit let out."""
    made = a_set(tmp_path / "made", a_generator, 3)
    a_report_on(made).write(tmp_path / "audit")
    return release(tmp_path / "audit", made, tmp_path / "released").folder


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """Two labelled cases of patients."""
    for k in range(2):
        write_case(tmp_path / "studies", f"case_{k}", seed=k)
    return tmp_path / "studies"


def image_in(folder: Path, number: int = 0) -> Path:
    return sorted((folder / "imagesTr").iterdir())[number]


def certificate_in(folder: Path, number: int = 0) -> dict[str, Any]:
    path = sorted((folder / "certificates").iterdir())[number]
    return dict(json.loads(path.read_text()))


def put(server: Server, image: Path, name: str, **params: object) -> requests.Response:
    form: dict[str, Any] = {
        "params": (None, json.dumps(params)),
        "file": (image.name, image.read_bytes()),
    }
    url = f"{server.url}/datastore/image?image={name}"
    return requests.put(url, files=form, timeout=SECONDS)


def refused(reply: requests.Response) -> str:
    assert reply.status_code == 422, reply.text
    told = reply.json()
    assert told["code"] == "unreleased"
    assert told["remedy"]
    return str(told["message"])


def test_a_synthetic_image_comes_in_with_its_certificate_alone(
    server: Server, released: Path
) -> None:
    image = image_in(released)
    assert "no audit has let it out" in refused(put(server, image, "made"))
    other = certificate_in(released, 1)
    assert "no audit" in refused(put(server, image, "made", certificate=other))
    forged = {**certificate_in(released), "score": -9.0}
    assert "changed" in refused(put(server, image, "made", certificate=forged))
    assert "wrong" in refused(put(server, image, "made", certificate={"case": "made"}))
    assert not list(server.studies.glob("made*"))
    taken = put(server, image, "made", certificate=certificate_in(released))
    assert taken.status_code == 200, taken.text
    url = f"{server.url}/datastore/image"
    requests.delete(url, params={"id": "made"}, timeout=SECONDS).raise_for_status()


def test_a_real_image_needs_none(server: Server, studies: Path) -> None:
    taken = put(server, studies / "case_0.nii.gz", "real")
    assert taken.status_code == 200, taken.text
    url = f"{server.url}/datastore/image"
    requests.delete(url, params={"id": "real"}, timeout=SECONDS).raise_for_status()


def test_the_server_trains_on_no_synthetic_case_without_certificate(
    server: Server, released: Path, studies: Path
) -> None:
    labels = server.studies / "labels" / "final"
    labels.mkdir(parents=True, exist_ok=True)
    placed = [server.studies / "made.nii.gz", labels / "made.nii.gz"]
    shutil.copy(image_in(released), placed[0])
    shutil.copy(sorted((released / "labelsTr").iterdir())[0], placed[1])
    try:
        for route in ("/train/tiny", "/jobs/train"):
            asked = {} if route == "/train/tiny" else {"model": "tiny"}
            reply = requests.post(f"{server.url}{route}", json=asked, timeout=SECONDS)
            assert "synthetic" in refused(reply)
    finally:
        for path in placed:
            path.unlink()


def placed(released: Path, studies: Path, number: int = 0) -> LocalDatastore:
    """A synthetic case in the folder of studies, past the server."""
    image = image_in(released, number)
    shutil.copy(image, studies / f"made_{number}.nii.gz")
    label = sorted((released / "labelsTr").iterdir())[number]
    shutil.copy(label, studies / "labels" / "final" / f"made_{number}.nii.gz")
    return open_studies(studies)


def test_a_certificate_beside_the_studies_opens_the_pool(released: Path, studies: Path) -> None:
    datastore = placed(released, studies)
    with pytest.raises(Unreleased, match="made_0 is one"):
        labelled_cases(datastore)
    shutil.copytree(released / "certificates", studies / "certificates")
    assert [case.name for case in labelled_cases(datastore)] == ["case_0", "case_1", "made_0"]
    path = studies / "made_0.nii.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(Unreleased):
        labelled_cases(datastore)


def test_a_certificate_that_came_with_the_image_opens_it_too(
    released: Path, studies: Path
) -> None:
    store = SafeDatastore(str(studies), auto_reload=False, read_only=False)
    image, label = image_in(released), sorted((released / "labelsTr").iterdir())[0]
    with pytest.raises(Unreleased):
        store.add_image("made", str(image), {})
    store.add_image("made", str(image), {"certificate": certificate_in(released)})
    store.save_label("made", str(label), "final", {})
    assert len(labelled_cases(store)) == 3
    store.update_image_info("made", {"certificate": {"case": "made"}})
    with pytest.raises(Unreleased):
        labelled_cases(store)


def test_a_case_with_a_synthetic_label_map_or_record_is_synthetic(
    released: Path, studies: Path
) -> None:
    datastore = placed(released, studies)
    plain = studies / "made_0.nii.gz"
    files.write(plain, files.read(plain))  # the mark is lost
    with pytest.raises(Unreleased):
        labelled_cases(datastore)
    (studies / "labels" / "final" / "made_0.nii.gz").unlink()
    write_case(studies, "case_9", seed=9)
    assert len(labelled_cases(open_studies(studies))) == 3
    (studies / "provenance").mkdir()
    (studies / "provenance" / "case_9.json").write_text('{"synthetic": true}')
    with pytest.raises(Unreleased, match="case_9"):
        labelled_cases(open_studies(studies))


def test_the_scores_of_certificates_go_into_the_datastore(released: Path, studies: Path) -> None:
    placed(released, studies, 0)
    datastore = placed(released, studies, 1)
    (studies / "certificates").mkdir()
    shutil.copy(sorted((released / "certificates").iterdir())[0], studies / "certificates")
    scores = AuditScore()({}, datastore)
    assert scores.keys() == {"made_0", "made_1"}
    told = certificate_in(released)
    assert scores["made_0"]["score"] == told["score"]
    assert scores["made_0"]["threshold"] == told["threshold"]
    assert "error" in scores["made_1"]
    assert datastore.get_image_info("made_0")["audit"] == scores["made_0"]
    assert "audit" not in datastore.get_image_info("case_0")
