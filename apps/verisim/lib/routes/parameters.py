"""The JSON that clients send beside the path of a route."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from verisim.errors import BadInput

RESERVED = {"image", "session", "label", "model", "method", "strategy", "bundle_path"}
"""Names that the route itself decides: as parameters they could name files of the server."""


def json_object(text: str) -> dict[str, Any]:
    """A JSON object as a dictionary.

    Raises:
        JSONDecodeError: It is no JSON.
        BadInput: It is no object.
    """
    given = json.loads(text or "{}")
    if not isinstance(given, dict):
        raise BadInput(
            f"{text[:80]!r} is no JSON object.", 'Send names and values, e.g. {"device": "cpu"}.'
        )
    return given


def unreserved(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The parameters, none of them reserved.

    Raises:
        BadInput: Names the reserved one.
    """
    reserved = sorted(RESERVED & set(given or {}))
    if reserved:
        raise BadInput(
            f"The parameters may not hold {reserved[0]!r}: the address names it.",
            "Name an image with ?image=ID or ?session_id=ID, or upload it as file.",
        )
    return dict(given or {})
