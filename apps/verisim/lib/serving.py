"""Our routes, errors and limits in MONAI Label's running web application."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from monailabel.config import settings
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from lib.doors.hung import hang_doors
from lib.errors import catch_all
from lib.middleware import RequestId, UploadLimit
from lib.options import Options
from lib.routes import our_routes
from lib.routes.responses import document
from lib.unpacked import Unpacked
from lib.watch.access import Access
from lib.watch.logs import LOG_FILE, write_logs
from lib.watch.shutdown import drain_on_stop


def serve(options: Options) -> None:
    """Change the web application, once; in the process of a job there is none."""
    server = sys.modules.get("monailabel.app")
    web: FastAPI | None = getattr(server, "app", None)
    if web is None or getattr(web.state, "verisim", False):
        return
    web.state.verisim = True
    write_logs(options.log_format, Path(settings.MONAI_LABEL_APP_DIR) / LOG_FILE)
    drain_on_stop(options.drain_seconds)
    hang_doors(web, options)
    _put_routes_first(web)
    catch_all(web)
    web.user_middleware[:] = [m for m in web.user_middleware if m.cls is not CORSMiddleware]
    web.user_middleware.insert(0, _pages_of(options.origins))
    web.user_middleware.insert(0, Middleware(Access))
    web.user_middleware.insert(0, Middleware(RequestId))
    web.user_middleware.append(Middleware(Unpacked, prefix=settings.MONAI_LABEL_API_STR))
    web.user_middleware.append(Middleware(UploadLimit, limit_mb=options.max_upload_mb))
    web.middleware_stack = None  # it was built before this app: the next request builds it anew


def _pages_of(origins: Sequence[str]) -> Middleware:
    """Web pages of other addresses are kept out; MONAI Label would let all of them in."""
    return Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )


def _put_routes_first(web: FastAPI) -> None:
    stock = list(web.router.routes)
    web.include_router(our_routes(), prefix=settings.MONAI_LABEL_API_STR)
    ours = web.router.routes[len(stock) :]
    web.router.routes[:] = [*ours, *stock]
    _describe(web, [*stock, *ours])  # in a schema the last of two equal paths wins


def _describe(web: FastAPI, routes: Sequence[BaseRoute]) -> None:
    def schema() -> dict[str, Any]:
        if web.openapi_schema is None:
            made = get_openapi(title=web.title, version=web.version, routes=routes)
            web.openapi_schema = document(made, settings.MONAI_LABEL_API_STR)
        return web.openapi_schema

    web.openapi = schema  # FastAPI's documented way to change it
