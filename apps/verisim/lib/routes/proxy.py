"""`/proxy/dicom/…`: viewers such as OHIF reach the PACS through this server.

MONAI Label's own waits for the PACS where every other request waits too, and drops what was
asked of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated

import requests
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from monailabel.config import settings as stock
from monailabel.interfaces.utils.app import app_instance

from lib.pacs.connection import connection
from lib.pacs.datastore import PacsDatastore
from lib.pacs.faults import named
from lib.pacs.settings import PacsSettings
from lib.routes import access
from verisim.errors import BadInput, NotFound

RESOURCE = re.compile(
    r"(studies|series|instances|bulkdata)(/[0-9a-zA-Z]+[0-9a-zA-Z.,_-]*)*/?", re.ASCII
)
"""Paths of DICOMweb (PS3.18, 10.3); nothing else that the PACS may serve beside them."""

STORE = re.compile(r"studies(/[0-9.]{1,64})?")
FORWARDED = ("Accept", "Content-Type", "Range")
CHUNK = 1 << 18


def routes() -> APIRouter:
    """Reading for everyone who is logged in, storing for annotators."""
    router = APIRouter(prefix="/proxy/dicom", tags=["Others"])
    for prefix in ("/wado", "/qido", "/stow", ""):
        path = f"{prefix}/{{path:path}}"
        router.add_api_route(
            path, read, methods=["GET"], response_model=None, dependencies=[access.user()]
        )
        router.add_api_route(
            path, store, methods=["POST"], response_model=None, dependencies=[access.annotator()]
        )
    return router


async def _body(request: Request) -> bytes:
    return await request.body()


def read(request: Request, path: str) -> StreamingResponse:
    """Look for something on the PACS, or fetch it."""
    settings = _pacs().settings
    if not RESOURCE.fullmatch(path):
        raise BadInput(f"{path[:80]!r} is no resource of DICOMweb.", "Ask for studies/….")
    service = request.url.path.removesuffix(path).strip("/").rpartition("/")[2]
    prefixes = {"wado": stock.MONAI_LABEL_WADO_PREFIX, "qido": stock.MONAI_LABEL_QIDO_PREFIX}
    if service == "qido" and path.endswith("metadata"):  # some versions of OHIF ask so
        service = "wado"
    return _passed_on(settings, request, prefixes.get(service), path)


def store(
    request: Request, path: str, body: Annotated[bytes, Depends(_body)]
) -> StreamingResponse:
    """Store something on the PACS."""
    settings = _pacs().settings
    if not STORE.fullmatch(path):
        raise BadInput(
            f"Nothing can be stored at {path[:80]!r}.", "Store at studies or studies/UID."
        )
    return _passed_on(settings, request, stock.MONAI_LABEL_STOW_PREFIX, path, body)


def _passed_on(
    settings: PacsSettings,
    request: Request,
    prefix: str | None,
    path: str,
    body: bytes | None = None,
) -> StreamingResponse:
    url = "/".join(part for part in (settings.url, prefix, path) if part)
    headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
    with ExitStack() as undo:
        with named(settings):
            session = undo.enter_context(connection(settings))
            answer = session.request(
                request.method,
                url,
                params=request.query_params.multi_items(),
                headers=headers,
                data=body,
                stream=True,
            )
            undo.enter_context(answer)
            answer.raise_for_status()
        open_until_read = undo.pop_all()
    kind = answer.headers.get("Content-Type", "application/octet-stream")
    content = _content(answer, settings, open_until_read)
    return StreamingResponse(content, answer.status_code, {"Content-Type": kind})


def _content(
    answer: requests.Response, settings: PacsSettings, open_until_read: ExitStack
) -> Iterator[bytes]:
    with open_until_read, named(settings):
        yield from answer.iter_content(CHUNK)


def _pacs() -> PacsDatastore:
    datastore = app_instance().datastore()
    if not isinstance(datastore, PacsDatastore):
        raise NotFound(
            "The studies of this server are a folder, not a PACS.",
            "Start it with the address of a DICOMweb service.",
        )
    return datastore
