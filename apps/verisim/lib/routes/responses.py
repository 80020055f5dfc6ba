"""What every route can answer, written into the schema: errors by rule, files by name.

A route that says nothing of its errors gets those that its shape allows, MONAI Label's own
routes included; what a route documents itself stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lib.doors.roles import OPEN, role_for
from lib.errors import CODES, WRITTEN_CODES
from verisim.errors import VerisimError

ERRORS = {
    400: "The request cannot be answered as it stands.",
    401: "This server asks for a key.",
    403: "The key's role is not enough, or the request comes from elsewhere.",
    404: "Nothing of that name.",
    409: "It exists already, or is busy.",
    413: "More than the server accepts, or than fits into its memory.",
    415: "Packed in a way that the server does not unpack.",
    422: "A parameter is wrong, or the volume cannot be used.",
    429: "Too many requests, or the task is running already.",
    503: "The disk, a device, the PACS or the keys cannot be used at the moment.",
}
"""Meaning of each status that an error may have."""

WRITES = {"post", "put", "patch", "delete"}
METHODS = {"get", "head", *WRITES}

SENT_FILES = {
    ("get", "/datastore/image"): ("application/*",),
    ("get", "/datastore/label"): ("application/*",),
    ("get", "/datastore/dataset"): ("application/octet-stream",),
    ("get", "/model/{model}"): ("application/*",),
    ("get", "/session/{session_id}"): ("application/json", "application/*"),
    ("get", "/logs/"): ("text/html", "text/plain"),
    ("get", "/logs/gpu"): ("text/plain",),
    ("get", "/metrics"): ("text/plain",),
    ("get", "/proxy/dicom/{path}"): ("*/*",),
    ("get", "/proxy/dicom/wado/{path}"): ("*/*",),
    ("get", "/proxy/dicom/qido/{path}"): ("*/*",),
    ("get", "/proxy/dicom/stow/{path}"): ("*/*",),
    ("post", "/proxy/dicom/{path}"): ("*/*",),
    ("post", "/proxy/dicom/wado/{path}"): ("*/*",),
    ("post", "/proxy/dicom/qido/{path}"): ("*/*",),
    ("post", "/proxy/dicom/stow/{path}"): ("*/*",),
}
"""What a success of MONAI Label's kind of route sends instead of JSON."""

REFERENCE = {"$ref": "#/components/schemas/Problem"}


def document(schema: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The schema with every answer of every route.

    Args:
        schema: OpenAPI, as FastAPI makes it.
        prefix: Before the path of every route.
    """
    parts = schema.setdefault("components", {}).setdefault("schemas", {})
    parts["Problem"] = _problem_schema()
    for path, method, operation in operations_of(schema):
        responses = operation["responses"]
        short = path.removeprefix(prefix)
        operation["parameters"] = _parameters(path, operation.get("parameters", []))
        for status in _possible(method, short, operation):
            responses.setdefault(str(status), {"description": ERRORS[status]})
        _say_content(responses, method, SENT_FILES.get((method, short), ()))
    for name in ("HTTPValidationError", "ValidationError"):  # errors have one form here
        parts.pop(name, None)
    return schema


def operations_of(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every route of a schema."""
    for path, operations in schema["paths"].items():
        for method in METHODS & operations.keys():
            yield path, method, operations[method]


def _parameters(path: str, said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With those of the path that the route does not look at, without what no route looks at."""
    named = {one["name"] for one in said if one["in"] == "path"}
    silent = [name for name in re.findall(r"{(\w+)}", path) if name not in named]
    # MONAI Label's user has an argument that FastAPI takes for a parameter of the address
    heard = [one for one in said if (one["in"], one["name"]) != ("query", "token")]
    kind = {"in": "path", "required": True, "schema": {"type": "string"}}
    return [*heard, *({"name": name, **kind} for name in silent)]


def _possible(method: str, path: str, operation: dict[str, Any]) -> set[int]:
    """The errors that the shape of a route allows."""
    found = {400, 403}  # an address that climbs, a request from elsewhere
    if role_for(method.upper(), path) is not OPEN:
        found |= {401, 429, 503}
    if operation.get("parameters") or "requestBody" in operation:
        found |= {404, 422}
    if method in WRITES:
        found |= {404, 409, 413, 429, 503}
    if "requestBody" in operation:
        found |= {415}
    return found


def _say_content(responses: dict[str, Any], method: str, sent: tuple[str, ...]) -> None:
    for status, response in responses.items():
        if method == "head":
            response.pop("content", None)
        elif int(status) >= 400 and _is_unsaid(response):
            response["content"] = {"application/json": {"schema": REFERENCE}}
        elif int(status) < 300 and sent:
            response["content"] = {kind: {"schema": _schema_of(kind)} for kind in sent}


def _is_unsaid(response: dict[str, Any]) -> bool:
    schemas = [kind.get("schema") for kind in response.get("content", {}).values()]
    return all(not schema or "HTTPValidationError" in str(schema) for schema in schemas)


def _schema_of(kind: str) -> dict[str, Any]:
    if kind == "application/json":
        return {}
    return (
        {"type": "string"} if kind.startswith("text/") else {"type": "string", "format": "binary"}
    )


def _problem_schema() -> dict[str, Any]:
    texts = {
        "message": "What was found and which rule it breaks.",
        "remedy": "What you can do.",
        "request_id": "The same as in the header X-Request-ID, and in the server's log.",
    }
    code = {"type": "string", "enum": sorted(_codes()), "description": "For programs."}
    return {
        "title": "Problem",
        "description": "Why a request was not answered.",
        "type": "object",
        "properties": {
            "code": code,
            **{name: {"type": "string", "description": text} for name, text in texts.items()},
        },
        "required": ["code", *texts],
    }


def _codes() -> set[str]:
    kinds, codes = [VerisimError], {*CODES.values(), *WRITTEN_CODES}
    while kinds:
        kind = kinds.pop()
        codes.add(kind.code)
        kinds += kind.__subclasses__()
    return codes
