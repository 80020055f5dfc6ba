"""A server with keys, over HTTP: who comes in, with which role, and how a key is revoked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from monailabel.client import MONAILabelClient
from monailabel.client.client import MONAILabelClientException

from lib.doors.roles import TABLE, role_for
from tests.apps.client import refusal
from tests.apps.running import Server, running
from verisim.keys import Role, append_key, new_key

pytestmark = [  # the client leaves its sockets and files to the garbage collector
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <(socket|_io).*:pytest.PytestUnraisableExceptionWarning"
    ),
    pytest.mark.filterwarnings("ignore:unclosed <(socket|_io):ResourceWarning"),
]

RATE = 30
READER, ANNOTATOR, ADMIN = "reader", "annotator", "admin"
ROLES = (READER, ANNOTATOR, ADMIN)


@dataclass(frozen=True)
class Guarded:
    """A server with a key for each role.

    Args:
        keys: By name; the three roles are names, too.
        path: The file of keys.
    """

    server: Server
    keys: dict[str, str]
    path: Path

    def ask(self, method: str, path: str, name: str = "", **sent: object) -> requests.Response:
        """Send a request with the key of that name, or without one."""
        headers = {"X-API-Key": self.keys[name]} if name else {}
        url = f"{self.server.url}/{path.lstrip('/')}"
        return requests.request(method, url, headers=headers, timeout=60, **sent)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server whose file holds a key for each role, and one for whom it gets too much."""
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys = {}
    for name, role in (*((role, role) for role in ROLES), ("busy", READER)):
        keys[name], entry = new_key(name, role)
        append_key(path, entry)
    fixed, entry = new_key("fixed", READER)
    conf = {"keys": str(path), "rate": str(RATE)}
    env = {"VERISIM_API_KEYS": entry.line}
    with running(tmp_path_factory.mktemp("doors"), conf, env) as server:
        yield Guarded(server, keys | {"fixed": fixed}, path)


def test_nobody_comes_in_without_a_key(guarded: Guarded) -> None:
    for method, path in (("GET", "info/"), ("GET", "docs"), ("POST", "reload"), ("GET", "x")):
        response = guarded.ask(method, path)
        assert refusal(response) == (401, "unauthorized")
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert "X-API-Key" in response.json()["remedy"]


def test_health_is_open(guarded: Guarded) -> None:
    assert guarded.ask("GET", "health/live").status_code == 200


@pytest.mark.parametrize("header", ["X-API-Key: {}", "Authorization: Bearer {}"])
@pytest.mark.parametrize("name", ["reader", "fixed"])
def test_a_key_is_taken_from_either_header(guarded: Guarded, header: str, name: str) -> None:
    field, value = header.format(guarded.keys[name]).split(": ")
    response = requests.get(f"{guarded.server.url}/info/", headers={field: value}, timeout=30)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "info/", READER),
        ("GET", "docs", READER),
        ("GET", "openapi.json", READER),
        ("GET", "datastore/?output=all", READER),
        ("GET", "train/", READER),
        ("POST", "infer/nosuch", READER),
        ("PUT", "session/", READER),
        ("PUT", "datastore/image?image=x", ANNOTATOR),
        ("PUT", "datastore/label?image=case_1", ANNOTATOR),
        ("POST", "activelearning/nosuch", ANNOTATOR),
        ("POST", "scoring/nosuch", ANNOTATOR),
        ("POST", "train/nosuch", ADMIN),
        ("POST", "batch/infer/nosuch", ADMIN),
        ("GET", "model/nosuch", ADMIN),
        ("GET", "logs/", ADMIN),
        ("DELETE", "datastore/image?id=nosuch", ADMIN),
        ("DELETE", "datastore/label?id=nosuch&tag=final", ADMIN),
        ("POST", "reload", ADMIN),
        ("GET", "nosuch", ADMIN),
    ],
)
def test_each_route_asks_for_its_role(
    guarded: Guarded, method: str, path: str, needed: str
) -> None:
    for role in ROLES[: ROLES.index(needed)]:
        response = guarded.ask(method, path, role)
        assert refusal(response) == (403, "forbidden")
        assert needed in response.json()["message"]
    for role in ROLES[ROLES.index(needed) :]:
        response = guarded.ask(method, path, role)
        assert response.status_code not in (401, 429)
        assert f"asks for {needed}" not in response.text


def test_the_table_names_every_route_of_the_server(guarded: Guarded) -> None:
    """A route that somebody adds is closed to all but admins until its role is written down."""
    described = guarded.ask("GET", "openapi.json", ADMIN).json()["paths"]
    listed = {(m, _example(path)) for _, methods, path in TABLE for m in methods.split()}
    # what none of the lines for others fits must be one of those for admins, word by word
    forgotten = [
        (method.upper(), path)
        for path, operations in described.items()
        for method, operation in operations.items()
        if method != "head"  # as GET
        and not operation.get("deprecated", False)
        and (method.upper(), _example(path)) not in listed
        and role_for(method.upper(), _example(path)) == Role.ADMIN
    ]
    assert forgotten == []


def _example(template: str) -> str:
    """A path of that template."""
    return re.sub(r"\{[^}]*\}", "x", template)


def test_an_unknown_key_is_refused_and_many_of_them_have_to_wait(guarded: Guarded) -> None:
    url = f"{guarded.server.url}/info/"
    wrong = [new_key("eve", ADMIN)[0] for _ in range(12)]
    answers = [requests.get(url, headers={"X-API-Key": key}, timeout=30) for key in wrong]
    assert [refusal(answer)[1] for answer in answers[:10]] == ["unauthorized"] * 10
    assert refusal(answers[-1]) == (429, "too_many_requests")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    login = {"username": "eve", "password": wrong[0]}
    response = requests.post(f"{guarded.server.url}/auth/token", data=login, timeout=30)
    assert refusal(response) == (429, "too_many_requests")
    assert guarded.ask("GET", "info/", READER).status_code == 200  # a right key still opens


def test_a_key_that_asks_too_often_has_to_wait_and_others_do_not(guarded: Guarded) -> None:
    with requests.Session() as session:
        session.headers["X-API-Key"] = guarded.keys["busy"]
        for _ in range(100 * RATE):
            response = session.get(f"{guarded.server.url}/auth/token/valid", timeout=30)
            if response.status_code != 200:
                break
    assert refusal(response) == (429, "too_many_requests")
    assert int(response.headers["Retry-After"]) >= 1
    assert guarded.ask("GET", "info/", READER).status_code == 200


def test_the_client_of_monai_label_logs_in_with_a_key(guarded: Guarded, tmp_path: Path) -> None:
    client = MONAILabelClient(guarded.server.url, tmpdir=str(tmp_path))
    assert client.auth_enabled()
    assert not client.auth_valid_token()
    with pytest.raises(MONAILabelClientException):
        client.info()
    token = client.auth_token("whoever", guarded.keys[ANNOTATOR])
    assert token["token_type"] == "bearer"
    client.update_auth(token)
    assert client.auth_valid_token()
    assert "tiny" in client.info()["models"]
    path, params = client.infer("tiny", "case_1", {})
    assert Path(path).is_file()
    assert params["label_names"]
    assert client.save_label("case_1", path, "final")["label"] == "case_1"
    info = client.datastore()["objects"]["case_1"]["labels"]["final"]["info"]
    assert info["user"] == ANNOTATOR  # the name of the key
    with pytest.raises(MONAILabelClientException):
        client.train_start("tiny", {})


def test_stock_routes_know_the_owner_of_the_key(guarded: Guarded) -> None:
    who = guarded.ask("GET", "auth/token/valid", ANNOTATOR).json()
    assert who["username"] == ANNOTATOR
    assert "monailabel-annotator" in who["roles"]
    assert "monailabel-admin" not in who["roles"]
    sent = {"info": (None, json.dumps({"note": "x"}))}
    done = guarded.ask("PUT", "datastore/image/info?image=case_2", ANNOTATOR, files=sent)
    assert done.status_code == 200
    assert guarded.ask("GET", "datastore/image/info?image=case_2", READER).json()["user"] == (
        ANNOTATOR
    )


def test_a_wrong_password_is_unauthorized(guarded: Guarded) -> None:
    login = {"username": "anna", "password": "password"}
    response = requests.post(f"{guarded.server.url}/auth/token", data=login, timeout=30)
    assert refusal(response)[0] in (401, 429)


def test_a_stranger_cannot_send_much(guarded: Guarded) -> None:
    login = {"username": "x", "password": "x" * 2_000_000}
    response = requests.post(f"{guarded.server.url}/auth/token", data=login, timeout=30)
    assert refusal(response) == (413, "too_large")


def test_a_path_that_climbs_is_refused(guarded: Guarded) -> None:
    for path in ("proxy/dicom/wado/..%2f..%2fadmin", "ohif/..", "static/%2e%2e/x", "model/a%00"):
        with requests.Session() as session:
            request = requests.Request("GET", "http://x").prepare()
            request.url = f"{guarded.server.url}/{path}"  # as it stands, not tidied up
            request.headers["X-API-Key"] = guarded.keys[ADMIN]
            assert refusal(session.send(request, timeout=30)) == (400, "bad_input")


def test_a_revoked_key_opens_nothing_and_a_new_one_does_without_a_restart(
    guarded: Guarded,
) -> None:
    before = guarded.path.read_text()
    key, entry = new_key("guest", READER)
    headers = {"X-API-Key": key}
    url = f"{guarded.server.url}/info/"
    append_key(guarded.path, entry)
    assert requests.get(url, headers=headers, timeout=30).status_code == 200
    guarded.path.write_text(before)
    assert requests.get(url, headers=headers, timeout=30).status_code in (401, 429)
    assert guarded.ask("GET", "info/", READER).status_code == 200


def test_keys_that_became_unreadable_let_nobody_in_until_they_are_mended(
    guarded: Guarded,
) -> None:
    before = guarded.path.read_text()
    for broken in (before + "eve admin password\n", before + before):
        guarded.path.write_text(broken)
        response = guarded.ask("GET", "info/", ADMIN)
        assert refusal(response) == (503, "unavailable")
        assert str(guarded.path.parent) not in response.text
    guarded.path.unlink()
    assert refusal(guarded.ask("GET", "info/", ADMIN)) == (503, "unavailable")
    guarded.path.write_text(before)
    assert guarded.ask("GET", "info/", ADMIN).status_code == 200


def test_no_key_stands_in_the_log(guarded: Guarded) -> None:
    guarded.ask("GET", "info/", READER)
    log = guarded.server.log.read_text(errors="replace")
    written = (guarded.server.app / "logs").rglob("*.log")
    texts = [log, *(path.read_text(errors="replace") for path in written)]
    assert not [key for key in guarded.keys.values() for text in texts if key in text]
