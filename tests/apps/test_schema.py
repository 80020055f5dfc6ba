"""Every answer of every route is one that the OpenAPI document names; none is a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.apps.client import session_of
from tests.apps.running import Server, an_image, running
from verisim import files
from verisim.volume import LabelMap

CHECKS = [
    not_a_server_error,  # also no 503: this server is short of nothing
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
METHODS = ("get", "head", "post", "put", "patch", "delete")
SECONDS = 60
EXAMPLES = 20
"""Of each route, valid ones and broken ones."""
JOBS = ("/train/", "/scoring/", "/batch/infer")

HOSTILE = (
    *("null", "[]", "[1]", "3", '""', "{", "{}", '{"a": 1}', '{"strategy": 3}', '{"user": []}'),
    *('{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', '{"a": ' + "9" * 5000 + "}"),
    *(
        '{"model": "tiny"}',
        '{"model": "tiny", "result_extension": ".nii"}',
        "[" * 100_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        '{"device": {}}',
        '{"path": "/etc"}',
    ),
    *('{"result_extension": ".nrrd"}', '{"result_dtype": "float"}', '{"id": 1, "ts": "x"}'),
)
"""Texts for what should be a JSON object."""


@dataclass(frozen=True)
class Known:
    """What exists on the server.

    Args:
        names: Values of parameters that name something, so that requests come further than "404".
        volume: A small volume that can be read.
    """

    names: dict[str, list[Any]]
    volume: bytes


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: these tests delete what they find."""
    with running(tmp_path_factory.mktemp("schema")) as server:
        yield server


@pytest.fixture(scope="module")
def document(started: Server) -> dict[str, Any]:
    """Its OpenAPI document."""
    found: dict[str, Any] = requests.get(f"{started.url}/openapi.json", timeout=SECONDS).json()
    return found


@pytest.fixture
def known(started: Server, tmp_path: Path) -> Known:
    """Images, one of them labelled, and a session."""
    image, label = tmp_path / "image.nii.gz", tmp_path / "label.nii.gz"
    small = an_image(7, (12, 12, 12))
    files.write(image, small)
    labelled = np.ones((20, 24, 18), np.uint8)
    files.write(label, LabelMap(labelled, an_image(1).affine, {"anterior": 1}))
    for name in ("case_1", "case_3"):
        _put(started, f"image?image={name}", "file", image)
    _put(started, "label?image=case_1", "label", label)
    names: dict[str, list[Any]] = {
        "model": ["tiny", "tiny-pair"],
        "session_id": [session_of(started, [image]), session_of(started, [image, label])],
        **{key: ["case_1", "case_2", "case_3", "é" * 150] for key in ("image", "label", "id")},
        "tag": ["final", "original", "é" * 64],
        "method": ["dice", "audit"],
        "strategy": ["random", "uncertain"],
        "check_sum": ["x", "SHA256:0", "CRC:0", ":", "MD5:" + "0" * 32],
        "path": ["studies", "studies/1.2/series", "../x", "studies/1.2/metadata"],
        "lines": [0, 1, -1, 2**70],
        "limit_cases": [0, 1, -1, 2**70],
    }
    return Known(names, image.read_bytes())


def test_every_route_documents_its_errors_in_one_form(document: dict[str, Any]) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    routes = [
        (f"{method} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS and not path.startswith("/health")
    ]
    for route, operation in routes:
        refusals = {s: r for s, r in operation["responses"].items() if int(s) >= 400}
        assert {"400", "403"} <= refusals.keys(), route
        for status, refusal in refusals.items():
            assert refusal["description"], (route, status)
            if not route.startswith("head"):
                assert refusal["content"] == {"application/json": {"schema": problem}}, route
    assert len(routes) > 40


def test_a_problem_names_all_codes(document: dict[str, Any]) -> None:
    problem = document["components"]["schemas"]["Problem"]
    assert set(problem["required"]) == {"code", "message", "remedy", "request_id"}
    codes = set(problem["properties"]["code"]["enum"])
    assert {"unreadable_file", "too_large", "bad_json"} <= codes


def test_no_route_asks_for_what_it_does_not_look_at(document: dict[str, Any]) -> None:
    parameters = [
        parameter["name"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", [])
    ]
    assert "token" not in parameters


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_documented_and_none_is_a_failure(
    started: Server, known: Known, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_url(f"{started.url}/openapi.json")
    wrong = {}
    for operation in (found.ok() for found in schema.get_all_operations()):
        try:
            _ask(operation, mode, known, examples=EXAMPLES)
        except Unsatisfiable:  # it takes any text: nothing of it can be wrong
            assert mode is GenerationMode.NEGATIVE, operation.label
        except (Exception, BaseExceptionGroup) as error:  # the other routes are asked, too
            wrong[operation.label] = _told(error)
        _stop_jobs(started)
    assert not wrong, "\n".join(f"{label}: {text}" for label, text in wrong.items())
    assert requests.get(f"{started.url}/info/", timeout=SECONDS).status_code == 200


def _ask(operation: APIOperation, mode: GenerationMode, known: Known, examples: int) -> None:
    """Send examples of one route, in part with names that exist and with texts that hurt."""

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        _make_known(case, data, known)
        case.validate_response(case.call(timeout=SECONDS), checks=CHECKS)

    ask()


def _make_known(case: schemathesis.Case, data: st.DataObject, known: Known) -> None:
    for values in (case.path_parameters, case.query):
        for name in (values or {}).keys() & known.names.keys():
            if data.draw(st.booleans()):
                values[name] = data.draw(st.sampled_from(known.names[name]))
    if "run_sync" in (case.query or {}):
        case.query["run_sync"] = False  # a whole training would be waited for
    if not isinstance(case.body, dict):
        return
    for name in ("params", "info"):
        if case.media_type != "application/json" and data.draw(st.booleans()):
            case.body[name] = data.draw(st.sampled_from(HOSTILE))
    for name in case.body.keys() & {"file", "label"}:
        if data.draw(st.booleans()):
            case.body[name] = known.volume


def _told(error: BaseException) -> str:
    parts = getattr(error, "exceptions", ())
    return "\n".join([f"{type(error).__name__}: {error}", *(_told(part) for part in parts)])


def _put(server: Server, address: str, field: str, path: Path) -> None:
    sent = {field: (path.name, path.read_bytes()), "params": (None, json.dumps({}))}
    answer = requests.put(f"{server.url}/datastore/{address}", files=sent, timeout=SECONDS)
    assert answer.status_code == 200, answer.text


def _stop_jobs(server: Server) -> None:
    for path in JOBS:
        requests.delete(f"{server.url}{path}", timeout=SECONDS)
