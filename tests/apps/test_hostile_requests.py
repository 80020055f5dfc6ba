"""Requests made to hurt: each is refused by its name, and the next one is answered."""

from __future__ import annotations

import pytest
import requests

from tests.apps.client import SECONDS, refusal
from tests.apps.running import Server

UNWRITABLE = {
    "NaN": '{"a": NaN}',
    "infinity": '{"a": 1e999}',
    "half a character": '{"a": "\\ud800"}',
    "a number of 5000 digits": '{"a": ' + "9" * 5000 + "}",
    "100,000 brackets": "[" * 100_000,
}


@pytest.mark.parametrize("what", UNWRITABLE)
@pytest.mark.parametrize(
    ("method", "path", "field"),
    [("POST", "infer/tiny", "params"), ("PUT", "datastore/image/info", "info")],
)
def test_json_that_cannot_be_sent_back_is_refused(
    server: Server, method: str, path: str, field: str, what: str
) -> None:
    answer = requests.request(
        method,
        f"{server.url}/{path}?image=case_1",
        data={field: UNWRITABLE[what]},
        timeout=SECONDS,
    )
    assert refusal(answer) == (400, "bad_input")


def test_a_note_cannot_break_the_choice_of_the_next_image(server: Server) -> None:
    url = f"{server.url}/datastore/image/info?image=case_1"
    answer = requests.put(url, data={"info": '{"strategy": "none"}'}, timeout=SECONDS)
    assert refusal(answer) == (400, "bad_input")
    chosen = requests.post(f"{server.url}/activelearning/random", json={}, timeout=SECONDS)
    assert chosen.status_code == 200


@pytest.mark.parametrize("query", ["image=" + "é" * 150, "image=case_1&tag=" + "é" * 120])
def test_a_name_that_no_disk_could_hold_is_refused(server: Server, query: str) -> None:
    answer = requests.put(
        f"{server.url}/datastore/label?{query}", files={"label": ("x.nii", b"x")}, timeout=SECONDS
    )
    assert refusal(answer) == (400, "bad_input")


def test_a_check_sum_of_an_unknown_kind_is_refused(server: Server) -> None:
    url = f"{server.url}/datastore/image?image=case_1&check_sum=CRC:0"
    assert requests.head(url, timeout=SECONDS).status_code == 400


@pytest.mark.parametrize("lines", [-1, 2**70])
def test_the_log_has_a_longest_part(server: Server, lines: int) -> None:
    answer = requests.get(f"{server.url}/logs/?lines={lines}", timeout=SECONDS)
    assert refusal(answer) == (422, "bad_input")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "train/"), ("POST", "scoring/"), ("PUT", "datastore/updatelabelinfo")],
)
def test_a_stock_route_without_our_checks_is_refused(
    server: Server, method: str, path: str
) -> None:
    answer = requests.request(method, f"{server.url}/{path}", timeout=SECONDS)
    assert refusal(answer) == (403, "forbidden")
