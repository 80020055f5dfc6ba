"""Parts of the doors by themselves: rates, roles, who is local, which texts name a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.types import Scope

from lib.doors.local import check_local
from lib.doors.paths import NoPaths, folder_pattern
from lib.doors.rates import Rates, network_of
from lib.doors.refusals import TurnedAway
from lib.doors.roles import TABLE, check_may_synthesize, role_for
from lib.doors.who import LOCAL, Role, User, user_of


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_and_then_the_steady_rate() -> None:
    clock = Clock()
    rates = Rates(per_second=2, burst=5, clock=clock)
    assert [rates.wait("anna") for _ in range(5)] == [0.0] * 5
    assert rates.wait("anna") == pytest.approx(0.5)
    clock.now += 0.5
    assert rates.wait("anna") == 0
    assert rates.wait("anna") > 0


def test_who_is_refused_does_not_wait_longer_for_asking_again() -> None:
    clock = Clock()
    rates = Rates(per_second=1, burst=1, clock=clock)
    rates.wait("anna")
    assert [rates.wait("anna") for _ in range(50)] == [1.0] * 50
    clock.now += 1
    assert rates.wait("anna") == 0


def test_over_any_time_no_more_than_burst_and_rate_are_allowed() -> None:
    clock = Clock()
    rates = Rates(per_second=3, burst=4, clock=clock)
    allowed = 0
    for _ in range(1000):
        allowed += rates.wait("anna") == 0
        clock.now += 0.01
    assert allowed <= 4 + 3 * 10
    assert allowed >= 3 * 10


def test_one_does_not_use_up_what_another_may_ask() -> None:
    rates = Rates(per_second=1, burst=1, clock=Clock())
    rates.wait("anna")
    assert rates.wait("anna") > 0
    assert rates.wait("ben") == 0


def test_the_table_of_names_does_not_grow_without_end() -> None:
    clock = Clock()
    rates = Rates(per_second=1, burst=1, most=10, clock=clock)
    for n in range(1000):
        rates.wait(f"stranger {n}")
        rates.wait("anna")  # who asks all the time is not the one that is forgotten
    assert len(rates) == 10
    assert rates.wait("anna") > 0


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::3", "2001:db8:1:3::3", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
    ],
)
def test_an_address_that_a_client_chooses_freely_is_no_other_client(
    one: str, other: str, alike: bool
) -> None:
    assert (network_of(one) == network_of(other)) is alike


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/health", None),
        ("GET", "/health/live", None),
        ("POST", "/auth/token", None),
        ("GET", "/docs", Role.READER),
        ("GET", "/openapi.json", Role.READER),
        ("GET", "/info/", Role.READER),
        ("GET", "/info", Role.READER),
        ("HEAD", "/datastore/image", Role.READER),
        ("POST", "/infer/unet", Role.READER),
        ("PUT", "/session/", Role.READER),
        ("POST", "/jobs/segment", Role.READER),
        ("PUT", "/datastore/label", Role.ANNOTATOR),
        ("POST", "/activelearning/random", Role.ANNOTATOR),
        ("POST", "/scoring/dice", Role.ANNOTATOR),
        ("POST", "/train/unet", Role.ADMIN),
        ("POST", "/batch/infer/unet", Role.ADMIN),
        ("POST", "/jobs/train", Role.ADMIN),
        ("DELETE", "/datastore/image", Role.ADMIN),
        ("GET", "/model/unet", Role.ADMIN),
        ("GET", "/logs/", Role.ADMIN),
        ("POST", "/reload", Role.ADMIN),
        ("GET", "/nowhere", Role.ADMIN),
        ("BREW", "/info/", Role.ADMIN),
        ("GET", "//info/", Role.ADMIN),
        ("GET", "/INFO/", Role.ADMIN),
        ("GET", "/health/../logs", Role.ADMIN),
        ("POST", "/infer/wsi/unet", Role.ADMIN),
        ("POST", "/proxy/dicom/stow/studies", Role.ANNOTATOR),
    ],
)
def test_the_role_that_a_request_needs(method: str, path: str, role: Role | None) -> None:
    assert role_for(method, path) == role


def test_only_a_few_routes_are_open_and_none_of_them_shows_or_changes_anything() -> None:
    opened = {(methods, path) for role, methods, path in TABLE if role is None}
    assert opened == {
        ("GET", "/health"),
        ("GET", "/health/{check}"),
        ("GET", "/auth/"),
        ("POST", "/auth/token"),
        ("GET", "/favicon.ico"),
    }


def scope_of(
    method: str = "GET", server: str = "127.0.0.1", host: str = "localhost:8000", origin: str = ""
) -> Scope:
    """A request, as the web server describes it."""
    headers = [(b"host", host.encode())]
    headers += [(b"origin", origin.encode())] if origin else []
    return {"type": "http", "method": method, "server": (server, 8000), "headers": headers}


@pytest.mark.parametrize(
    "scope",
    [
        scope_of(),
        scope_of("POST", "::1", "[::1]:8000"),
        scope_of("POST", "::ffff:127.0.0.1", "127.0.0.1:8000"),
        scope_of("POST", "/run/verisim.sock", "localhost"),
        scope_of("POST", origin="http://localhost:8000"),
        scope_of("POST", origin="https://ohif.example"),
        scope_of("POST", host="ohif.example"),
        scope_of("GET", origin="https://evil.example"),  # it may send, but cannot read
    ],
)
def test_programs_of_this_machine_and_listed_pages_need_no_key(scope: Scope) -> None:
    check_local(scope, ["https://ohif.example"])


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (scope_of(server="192.0.2.7"), "over the network"),
        (scope_of(server="2001:db8::1"), "over the network"),
        (scope_of(host="evil.example"), "for the host 'evil.example'"),
        (scope_of(host="localhost.evil.example:8000"), "for the host"),
        (scope_of("POST", origin="https://evil.example"), "web page of elsewhere"),
        (scope_of("DELETE", origin="http://localhost:9000"), "web page of elsewhere"),
        (scope_of("POST", origin="null"), "web page of elsewhere"),
    ],
)
def test_the_network_and_strange_pages_are_turned_away(scope: Scope, said: str) -> None:
    with pytest.raises(TurnedAway, match=said) as caught:
        check_local(scope, ["https://ohif.example"])
    assert caught.value.problem.status == 403
    assert "--keys" in caught.value.problem.remedy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"path": "/srv/studies/a b.nii.gz"}', '{"path": "a b.nii.gz"}'),
        ('{"path": "/srv/studies"}', '{"path": ""}'),
        ("There is no file /srv/studies/x.nii.gz.", "There is no file x.nii.gz."),
        ('File "/srv/studies/labels/x", line 3', 'File "labels/x", line 3'),
        ("file:///srv/studies/x", "x"),
        ("/srv/studies-old/x", "/srv/studies-old/x"),
        ("https://host/srv/studies/x", "https://host/srv/studies/x"),
        ("/infer/tiny", "/infer/tiny"),
        ('"/srv/m\\u00fcller/x"', '"x"'),
        ("/srv/müller/x", "x"),
    ],
)
def test_a_folder_of_the_server_is_cut_out_of_a_text(text: str, told: str) -> None:
    pattern = folder_pattern([Path("/srv/studies"), Path("/srv/müller"), Path("/")])
    assert pattern.sub(b"", text.encode()).decode() == told


def test_without_folders_nothing_is_cut_out() -> None:
    assert folder_pattern([]).sub(b"", b"/srv/studies/x") == b"/srv/studies/x"


def test_an_answer_keeps_its_length_right_and_files_keep_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(str(tmp_path).encode() * 100)
    (tmp_path / "x.txt").write_text(f"see {tmp_path}/x.txt\n" * 10_000)

    def told(request: Request) -> Response:
        return JSONResponse({"path": f"{tmp_path}/x", "text": "ä" * 10})

    async def lines() -> AsyncIterator[str]:
        for n in range(3):
            yield f"data: {tmp_path}/{n}\n\n"

    def events(request: Request) -> Response:
        return StreamingResponse(lines(), media_type="text/event-stream")

    routes = [Route("/told", told), Route("/events", events)]
    routes += [Mount("/files", StaticFiles(directory=tmp_path))]
    web = Starlette(routes=routes, middleware=[Middleware(NoPaths, folders=[tmp_path])])
    with TestClient(web) as client:
        assert client.get("/told").json() == {"path": "x", "text": "ä" * 10}
        assert client.get("/events").text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert client.get("/files/x.txt").text.count("see x.txt\n") > 9_990  # chunks may cut one
        assert client.get("/files/x.bin").content == str(tmp_path).encode() * 100
        assert client.head("/files/x.txt").status_code == 200


def test_a_request_that_met_no_door_is_the_local_users() -> None:
    assert user_of(Request({"type": "http"})) == LOCAL
    anna = User("anna", Role.READER)
    assert user_of(Request({"type": "http", "state": {"user": anna}})) == anna


def test_roles_are_ordered() -> None:
    assert Role.READER < Role.ANNOTATOR < Role.ADMIN


def test_only_an_admin_gets_synthetic_cases() -> None:
    check_may_synthesize(LOCAL)
    for role in (Role.READER, Role.ANNOTATOR):
        with pytest.raises(TurnedAway):
            check_may_synthesize(User("anna", role))
