"""The server's log and its graphics card, with MONAI Label's parameters and page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response
from monailabel.config import settings
from monailabel.endpoints import logs as stock

from lib.routes import access
from lib.watch.logs import LOG_FILE
from verisim.errors import NotFound

MOST_LINES = 100_000
CARD_SECONDS = 10
NOTHING = {"description": "There is no log, or no nvidia-smi."}


def routes() -> APIRouter:
    """The routes, for those who may train."""
    router = APIRouter(prefix="/logs", tags=["Others"], dependencies=[access.admin()])
    for path, endpoint in (("/", log), ("/gpu", card)):
        router.add_api_route(
            path, endpoint, methods=["GET"], response_model=None, responses={404: NOTHING}
        )
    return router


def log(
    lines: Annotated[int, Query(ge=0, le=MOST_LINES)] = 300,
    html: bool = True,
    text: bool = False,
    refresh: Annotated[int, Query(ge=0, le=3600)] = 0,
) -> Response:
    """The latest lines of the log, or with `lines=0` all of it."""
    path = Path(settings.MONAI_LABEL_APP_DIR) / LOG_FILE
    answer: Response = stock.get_logs(str(path), lines, html, text, refresh)
    return answer


def card() -> Response:
    """What nvidia-smi tells of the graphics card."""
    program = shutil.which("nvidia-smi")
    if program is None:
        raise NotFound("This machine has no nvidia-smi.", "GET /info/ tells what it computes on.")
    told = subprocess.run([program], stdout=subprocess.PIPE, timeout=CARD_SECONDS, check=False)
    return Response(told.stdout.decode(errors="replace"), media_type="text/plain")
