"""Every error leaves the server as JSON: code, message, remedy and the id of the request."""

from __future__ import annotations

import errno
import json
import logging
from dataclasses import asdict, dataclass, replace
from functools import singledispatch

import requests
import torch
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from monailabel.interfaces.exception import (
    ImageNotFoundException,
    LabelNotFoundException,
    MONAILabelError,
    MONAILabelException,
)
from starlette.exceptions import HTTPException

from lib.watch import metrics
from lib.watch.scrub import without, without_paths
from verisim import errors

logger = logging.getLogger(__name__)

STATUS: dict[type[errors.VerisimError], int] = {
    errors.BadInput: 400,
    errors.UnsupportedVolume: 422,
    errors.BadGeometry: 422,
    errors.WrongChannels: 422,
    errors.BadSeries: 422,
    errors.BadDataset: 422,
    errors.Unreleased: 422,
    errors.BadCard: 503,  # nothing the caller could mend
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.StorageFailed: 503,
    errors.Diverged: 503,  # the model is at fault, not the question
    errors.Unavailable: 503,
    errors.Busy: 429,
    errors.Cancelled: 503,
}
"""Status of each class of our errors; a class that is not listed has its parent's."""

CODES = {
    400: "bad_input",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media",
    422: "bad_input",
    429: "busy",
    503: "unavailable",
}
"""Code of a status that the web framework or MONAI Label chose."""

WRITTEN_CODES = {"bad_json", "internal", "storage_failed", "too_many_requests"}
"""Codes beside those of a status and of our errors."""

REMEDIES = {
    401: "Log in and send the token.",
    403: "Ask the person who runs the server.",
    429: "Wait until the running task has ended, or stop it.",
}

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}
NAMING = ("image", "id", "label")
"""Parameters of the address that name an image of the datastore."""

RETRY_SECONDS = "10"
"""When whoever is too much may come again, if nobody knows better."""

READ_THE_DOCS = "The server's page /docs lists every route with its parameters."
READ_THE_LOG = "Look for the request id in the server's log."


@dataclass(frozen=True)
class Problem:
    """What the caller is told.

    Args:
        status: Of HTTP.
        code: For programs.
        message: What was found and which rule it breaks.
        remedy: What the person can do.
    """

    status: int
    code: str
    message: str
    remedy: str


@singledispatch
def problem(error: Exception) -> Problem:
    """What to tell about an error; the unexpected ones keep their details in the log."""
    return Problem(500, "internal", f"The server failed ({type(error).__name__}).", READ_THE_LOG)


@problem.register
def _(error: errors.VerisimError) -> Problem:
    status = next(
        STATUS[kind] for kind in (*type(error).__mro__, errors.BadInput) if kind in STATUS
    )
    return Problem(status, error.code, error.message, error.remedy)


@problem.register
def _(error: HTTPException) -> Problem:
    if isinstance(error.__cause__, OSError):  # the framework hides a full disk behind "400"
        return problem(error.__cause__)
    status = error.status_code
    code = CODES.get(status, "internal" if status >= 500 else "bad_input")
    remedy = REMEDIES.get(status, READ_THE_LOG if status >= 500 else READ_THE_DOCS)
    return Problem(status, code, str(error.detail), remedy)


@problem.register
def _(error: RequestValidationError) -> Problem:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return Problem(
            400, "bad_json", f"The body is no JSON: {first['ctx']['error']}.", "Mend it."
        )
    where = ".".join(str(part) for part in first["loc"])
    return Problem(422, "bad_input", f"{where}: {first['msg']}.", READ_THE_DOCS)


@problem.register
def _(error: json.JSONDecodeError) -> Problem:
    return Problem(
        400, "bad_json", f"A parameter is no JSON: {error}.", "Mend it and send it again."
    )


@problem.register
def _(error: MONAILabelException) -> Problem:
    if isinstance(error, ImageNotFoundException | LabelNotFoundException):
        return Problem(
            404, "not_found", error.msg, "GET /datastore/?output=all lists what exists."
        )
    if error.error == MONAILabelError.INVALID_INPUT:
        return Problem(400, "bad_input", error.msg, READ_THE_DOCS)
    return Problem(500, "internal", error.msg, READ_THE_LOG)


@problem.register(MemoryError)
@problem.register(torch.OutOfMemoryError)
def _(error: Exception) -> Problem:
    return Problem(
        413, "too_large", "That does not fit into the memory.", "Send a smaller volume."
    )


@problem.register
def _(error: OSError) -> Problem:
    if error.errno in DISK:
        reason = error.strerror or str(error)
        return Problem(503, "storage_failed", f"The disk refused: {reason}.", "Free some space.")
    if isinstance(error, FileNotFoundError | requests.RequestException):
        what = "A program, file or service that this needs is missing on the server."
        return Problem(503, "unavailable", what, "Ask the person who runs the server.")
    return Problem(500, "internal", f"The server failed ({type(error).__name__}).", READ_THE_LOG)


def reply(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that failed; the log keeps the traceback of what nobody expected."""
    told = _private(request, problem(error))
    metrics.error(told.code)
    request_id = getattr(request.state, "request_id", "")
    if told.code == "internal":
        logger.error("The request failed", exc_info=error)
    else:  # the message may quote what the client sent
        logger.info("The request is refused: %s (%s)", told.code, type(error).__name__)
    body = asdict(told) | {"request_id": request_id}
    del body["status"]
    headers = dict(getattr(error, "headers", None) or {}) | {"X-Request-ID": request_id}
    if told.status == 429:
        headers.setdefault("Retry-After", RETRY_SECONDS)
    return JSONResponse(body, told.status, headers)


def _private(request: Request, told: Problem) -> Problem:
    """The same without paths, and without the id that the client named: people are named so."""
    named = [request.query_params.get(name, "") for name in NAMING]
    named.append(str(request.path_params.get("session_id", "")))
    message, remedy = (without(without_paths(t), *named) for t in (told.message, told.remedy))
    return replace(told, message=message, remedy=remedy)


def catch_all(app: FastAPI) -> None:
    """Let every error of every route, also MONAI Label's own, be answered by `reply`."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return reply(request, error)

    kinds = (
        Exception,
        errors.VerisimError,
        HTTPException,
        RequestValidationError,
        json.JSONDecodeError,
        MONAILabelException,
        MemoryError,
        torch.OutOfMemoryError,
        OSError,
    )
    for kind in kinds:
        app.add_exception_handler(kind, answer)
