"""Which data sets an audit may name."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from monailabel.interfaces.utils.app import app_instance

from lib.datasets import Offered, offered_sets
from lib.routes import access

EXAMPLE = {"datasets": [{"name": "hippocampus", "splits": {"all": 200, "train": 174, "val": 26}}]}
LISTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Each with its splits and how many cases they have.",
        "content": {"application/json": {"example": EXAMPLE}},
    }
}


def routes() -> APIRouter:
    """The route, for those who may audit."""
    router = APIRouter(tags=["Jobs"], dependencies=[access.admin()])
    router.add_api_route(
        "/datasets", datasets, methods=["GET"], response_model=None, responses=LISTED
    )
    return router


async def datasets() -> dict[str, list[Offered]]:
    """The data sets of `--conf datasets FOLDER`."""
    return {"datasets": await run_in_threadpool(offered_sets, app_instance().options.datasets)}
