"""Whether the server lives, and whether it could answer a request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import requests
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from monailabel.interfaces.utils.app import app_instance
from prometheus_client import CONTENT_TYPE_LATEST

from lib.routes import access
from lib.watch import metrics
from lib.watch.shutdown import stopping

SECONDS = 1.0
"""Whoever asks for the health waits no longer than this."""


NOT_READY = {
    "description": "Not ready; `missing` tells why.",
    "content": {"application/json": {"schema": {"type": "object"}}},
}


@dataclass(frozen=True)
class Missing:
    """What the server cannot do without.

    Args:
        what: `models`, `datastore` or `server`.
        reason: Without paths: anybody may ask.
    """

    what: str
    reason: str


_threads = {what: ThreadPoolExecutor(1, what) for what in ("models", "datastore", "metrics")}
"""Of their own: those of the requests may all be at work, and a dead disk may hold up one."""


def routes() -> APIRouter:
    """Health for everybody, metrics for everyone who is logged in."""
    router = APIRouter(tags=["Watch"])
    for path in ("/health", "/health/ready"):
        router.add_api_route(path, ready, methods=["GET"], responses={503: NOT_READY})
    router.add_api_route("/health/live", live, methods=["GET"])
    router.add_api_route(
        "/metrics",
        figures,
        methods=["GET"],
        response_class=Response,
        dependencies=[access.user()],
    )
    return router


async def live() -> dict[str, bool]:
    """The process answers; 200 as long as it does."""
    return {"live": True}


async def ready() -> JSONResponse:
    """200 when models and datastore answer, otherwise 503 with what is missing."""
    if stopping():
        missing = [Missing("server", "It is stopping.")]
    else:
        found = await asyncio.gather(_within("models", _models), _within("datastore", _datastore))
        missing = [one for one in found if one is not None]
    told = {"live": True, "ready": not missing, "missing": [asdict(one) for one in missing]}
    return JSONResponse(told, 503 if missing else 200, {"Cache-Control": "no-store"})


async def figures() -> Response:
    """All figures in Prometheus' text format."""
    text = await asyncio.get_running_loop().run_in_executor(
        _threads["metrics"], metrics.exposition
    )
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def _within(what: str, check: Callable[[], str]) -> Missing | None:
    loop = asyncio.get_running_loop()
    try:
        reason = await asyncio.wait_for(loop.run_in_executor(_threads[what], check), SECONDS)
    except TimeoutError:
        reason = f"No answer within {SECONDS:g} s."
    except Exception as error:
        reason = f"It failed ({type(error).__name__})."
    return Missing(what, reason) if reason else None


def _models() -> str:
    return "" if app_instance().models.names else "There is no model."


def _datastore() -> str:
    """Empty if it answers, else why not."""
    studies = str(app_instance().studies)
    if "://" not in studies:
        with os.scandir(studies) as entries:
            next(entries, None)
        return ""
    answer = requests.head(studies, timeout=SECONDS / 2, allow_redirects=False)
    answer.close()
    return ""
