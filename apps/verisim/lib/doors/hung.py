"""The doors in MONAI Label's running web application."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from fastapi import FastAPI, Request
from monailabel.config import settings
from monailabel.endpoints.user.auth import User as StockUser
from monailabel.endpoints.user.auth import get_current_user
from starlette.middleware import Middleware

from lib.doors.gate import Gate, Keys
from lib.doors.paths import NoPaths
from lib.doors.ring import KeyRing
from lib.doors.stock import as_stock_user
from lib.doors.who import user_of
from lib.options import Options
from lib.routes import login
from verisim.errors import BadInput
from verisim.keys import ENVIRONMENT


def hang_doors(web: FastAPI, options: Options) -> None:
    """Let nobody in without a key, if there are keys, and no path of the server out.

    Raises:
        BadInput: Keys that cannot be read, or keys beside MONAI Label's own authentication.
    """
    keys = _keys(options)
    prefix = settings.MONAI_LABEL_API_STR
    web.user_middleware.append(Middleware(NoPaths, folders=_folders(options)))
    web.user_middleware.append(
        Middleware(
            Gate,
            keys=keys,
            stock_login=settings.MONAI_LABEL_AUTH_ENABLE,
            origins=options.origins,
            prefix=prefix,
        )
    )
    if keys is not None:
        web.include_router(login.routes(keys), prefix=prefix)
        web.dependency_overrides[get_current_user] = _stock_user


def _keys(options: Options) -> Keys | None:
    environment = os.environ.get(ENVIRONMENT, "")
    if options.keys is None and not environment:
        return None
    if settings.MONAI_LABEL_AUTH_ENABLE:
        raise BadInput(
            "There are keys, and MONAI_LABEL_AUTH_ENABLE is set.",
            "Choose one: keys, or MONAI Label's own authentication.",
        )
    return Keys(KeyRing(options.keys, environment), options.rate)


async def _stock_user(request: Request) -> StockUser:
    """MONAI Label's routes write down whose label it is."""
    return as_stock_user(user_of(request))


def _folders(options: Options) -> list[Path]:
    """Where the server keeps files."""
    named = [settings.MONAI_LABEL_APP_DIR, settings.MONAI_LABEL_SESSION_PATH]
    studies = settings.MONAI_LABEL_STUDIES
    named += [studies] if "://" not in studies else []
    places = [Path(name) for name in named if name]
    return [*places, options.models, Path(tempfile.gettempdir()), Path.home(), Path(sys.prefix)]
