"""What a server says when it does not do what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping

from VerisimLib.problems import Busy, NoSuchRoute, Problem, Rejected, ServerFault, WrongKey


def refusal(status: int, body: bytes, headers: Mapping[str, str]) -> Problem:
    """What a status of 400 or more means.

    Args:
        status: Of HTTP.
        body: The answer; Verisim's is JSON with code, message and remedy.
        headers: Of the answer.
    """
    told = _error(body)
    code, message, remedy = (told.get(key, "") for key in ("code", "message", "remedy"))
    if status in (401, 403):
        enter = "Enter the key that its admin gave you."
        # what a server says of headers helps who writes programs
        return WrongKey(
            message or "The server does not let you in.",
            enter if status == 401 else remedy or enter,
            code,
        )
    if status in (404, 405) and (not code or message in ("Not Found", "Method Not Allowed")):
        return NoSuchRoute(
            "The server does not know this request.",
            "Check the address; an older server, or plain MONAI Label, can only segment.",
            code,
        )
    if status in (429, 503):
        after = headers.get("Retry-After", "")
        wait = f"Try again in {after} s." if after.isdigit() else "Try again in a while."
        return Busy(message or "The server is busy.", remedy or wait, code)
    if status >= 500:
        number = told.get("request_id", "")
        asked = f"Ask its admin to look up {number} in the log." if number else ""
        return ServerFault(
            message or f"The server failed (status {status}).",
            remedy or asked or "Try again; then ask its admin.",
            code,
        )
    return Rejected(
        message or f"The server did not take it (status {status}).",
        remedy or "Check what you sent.",
        code,
    )


def _error(body: bytes) -> dict[str, str]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    if not isinstance(told, dict):
        return {}
    said = {str(key): str(value) for key, value in told.items() if value is not None}
    # plain MONAI Label says {"detail": …}
    return {"message": said["detail"], **said} if "detail" in said else said
