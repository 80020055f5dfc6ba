"""Jobs of several people: each sees their own, and none waits behind all of another's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.client import refusal
from tests.apps.running import running
from tests.apps.studies import write_case
from tests.apps.working import Worker, a_long_volume
from verisim.keys import append_key, new_key

MOST = 4


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Worker]]:
    """Two readers and an admin."""
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys = {}
    for name, role in (("anna", "reader"), ("bert", "reader"), ("chief", "admin")):
        keys[name], entry = new_key(name, role)
        append_key(path, entry)
    conf = {"keys": str(path), "rate": "1000", "max_jobs_each": str(MOST)}
    with running(tmp_path_factory.mktemp("people"), conf) as server:
        yield {name: Worker(server, key) for name, key in keys.items()}


def test_everybody_sees_their_own_jobs_and_an_admin_all(people: dict[str, Worker]) -> None:
    anna, bert, chief = people.values()
    job = anna.handed_in({"image": "case_1"})
    anna.ended(job)
    assert job in {one["id"] for one in anna.ask("GET", "/jobs").json()["jobs"]}
    for path in ("/jobs", "/jobs?all=true"):
        assert bert.ask("GET", path).json()["jobs"] == []
    for method, path in (
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/result"),
        ("GET", "/result/label.nrrd"),
        ("DELETE", ""),
        ("DELETE", "/data"),
    ):
        assert refusal(bert.ask(method, f"/jobs/{job}{path}")) == (404, "not_found")
    assert bert.ask("DELETE", "/data").json()["jobs"] == []
    assert chief.ask("GET", "/jobs").json()["jobs"] == []
    assert [one["id"] for one in chief.ask("GET", "/jobs?all=true").json()["jobs"]] == [job]
    files = [("files", ("volume.nii.gz", b"anything"))]
    session = anna.ask("PUT", "/session/", files=files).json()["session_id"]
    assert bert.ask("DELETE", "/data").json()["sessions"] == 0
    assert anna.ask("GET", f"/session/{session}").status_code == 200
    told = anna.ask("DELETE", "/data").json()
    assert (told["jobs"], told["sessions"]) == ([job], 1)
    assert anna.ask("GET", f"/session/{session}").status_code == 404


def test_users_take_turns_and_nobody_fills_the_queue(
    people: dict[str, Worker], tmp_path: Path
) -> None:
    anna, bert, _ = people.values()
    blocking = bert.handed_in({}, a_long_volume(tmp_path))
    bert.at_work(blocking)
    many = [anna.handed_in({"image": "case_1"}) for _ in range(MOST)]
    reply = anna.hand_in({"image": "case_1"})
    assert refusal(reply) == (429, "busy")
    assert int(reply.headers["Retry-After"]) > 0
    one = bert.handed_in({"image": "case_2"})
    assert [anna.status(job)["position"] for job in many] == [1, 3, 4, 5]
    assert bert.status(one)["position"] == 2
    bert.ask("DELETE", f"/jobs/{blocking}")
    bert.ended(one)
    ended = bert.status(one)["ended"]
    begun = [anna.ended(job)["started"] for job in many]
    assert begun[0] < ended <= begun[1]


def test_a_training_as_a_job_offers_the_new_version(
    people: dict[str, Worker], tmp_path: Path
) -> None:
    anna, _, chief = people.values()
    wish = {"model": "tiny", "max_epochs": 1, "iterations_per_epoch": 2}
    assert refusal(anna.ask("POST", "/jobs/train", json=wish)) == (403, "forbidden")
    assert chief.ask("POST", "/jobs/train", json=wish).status_code == 422  # nothing is labelled
    for n in range(3):
        _bring_case(chief, f"labelled_{n}", n, tmp_path)
    assert refusal(chief.ask("POST", "/jobs/train", json={**wish, "x": 1}))[0] == 400
    assert refusal(chief.ask("POST", "/jobs/train", json={"model": "none"}))[0] == 404
    reply = chief.ask("POST", "/jobs/train", json=wish)
    assert reply.status_code == 202, reply.text
    told = chief.ended(reply.json()["id"])
    assert told["state"] == "done", told
    assert told["kind"] == "train"
    answer = told["answer"]
    offered = chief.ask("GET", "/info/").json()["models"]["tiny"]["version"]
    assert offered == answer["version"] == (2 if answer["improved"] else 1)
    assert {one["name"] for one in told["files"]} == {"report.json", "run-curves.csv"}
    listed = chief.ask("GET", told["result_url"]).json()["files"]
    assert listed == told["files"]


def _bring_case(worker: Worker, name: str, seed: int, folder: Path) -> None:
    """An image of the datastore with its final label."""
    write_case(folder, name, seed)
    file = f"{name}.nii.gz"
    for query, sent, path in (
        (f"image?image={name}", "file", folder / file),
        (f"label?image={name}&tag=final", "label", folder / "labels" / "final" / file),
    ):
        body = {sent: (file, path.read_bytes())}
        reply = worker.ask("PUT", f"/datastore/{query}", files=body)
        assert reply.status_code == 200, reply.text
