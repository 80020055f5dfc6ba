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
        BadInput: It is no object, or holds what cannot be sent back as JSON.
    """
    try:
        given = json.loads(text or "{}")
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:  # a number too long, brackets too deep
        raise _unwritable() from error
    if not isinstance(given, dict):
        raise BadInput(
            f"{text[:80]!r} is no JSON object.", 'Send names and values, e.g. {"device": "cpu"}.'
        )
    return _writable(given)


def note(text: str) -> dict[str, Any]:
    """What shall be kept about an image or label; see `json_object`.

    Raises:
        BadInput: MONAI Label could not add to it when the image is chosen to be labelled next.
    """
    given = json_object(text)
    if not isinstance(given.get("strategy", {}), dict):
        raise BadInput(
            f"strategy is {str(given['strategy'])[:80]!r}; the server keeps there who was shown "
            "the image.",
            "Leave strategy out, or send an object.",
        )
    return given


def unreserved(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The parameters, none of them reserved.

    Raises:
        BadInput: Names the reserved one; or a value cannot be sent back as JSON.
    """
    reserved = sorted(RESERVED & set(given or {}))
    if reserved:
        raise BadInput(
            f"The parameters may not hold {reserved[0]!r}: the address names it.",
            "Name an image with ?image=ID or ?session_id=ID, or upload it as file.",
        )
    return _writable(dict(given or {}))


def _writable(given: dict[str, Any]) -> dict[str, Any]:
    """The same; Python reads NaN and half characters as JSON, but nobody else does."""
    try:
        json.dumps(given, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _unwritable() from error
    return given


def _unwritable() -> BadInput:
    return BadInput(
        "The JSON holds a number that is none or too long, half a character, or too deep.",
        "Send finite numbers and whole characters, nested less deeply.",
    )
