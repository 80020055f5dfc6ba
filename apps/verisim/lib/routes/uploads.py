"""`/uploads`: a file is sent once, by its hash, and used in many requests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from monailabel.interfaces.utils.app import app_instance
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from lib.doors.who import user_of
from lib.kept import KeptUploads, WrongHash, checked
from lib.routes import access
from lib.uploads import suffix_sent
from verisim.errors import BadInput, NotFound, Unavailable

CHUNK = 1 << 20


class Upload(BaseModel):
    """An upload that is kept: its id is its SHA-256."""

    id: str
    bytes: int


class Series(BaseModel):
    """Several uploads that are one volume."""

    id: str


def routes() -> APIRouter:
    """The routes, for everyone who is logged in; each user sees uploads of its own."""
    router = APIRouter(prefix="/uploads", tags=["Uploads"], dependencies=[access.user()])
    add = router.add_api_route
    add("/series", series, methods=["POST"], status_code=201, response_model=Series)
    add("/{sha256}", check, methods=["HEAD"], response_class=Response)
    add("/{sha256}", put, methods=["PUT"], status_code=201, response_model=Upload)
    add("/{sha256}", remove, methods=["DELETE"], status_code=204, response_class=Response)
    return router


def check(request: Request, sha256: str) -> Response:
    """200 if your upload of that content is still kept, else 404."""
    if not _kept().has(user_of(request).name, sha256):
        raise NotFound("No such upload of yours is kept.", f"Send it with PUT /uploads/{sha256}.")
    return Response()


async def put(request: Request, sha256: str, name: str = "") -> Upload:
    """Keep the body for a while; of its `name` only the suffix is used."""
    kept = _kept()
    user = user_of(request).name
    checked(sha256)
    with kept.writing() as folder:
        path = folder / f"volume{suffix_sent(name)}"
        found = await _written(request, path)
        if found != sha256:
            raise WrongHash(
                f"The body's SHA-256 is {found[:12]}…, not {sha256[:12]}…: nothing is kept.",
                "Send the file again, with its own hash.",
            )
        done = await asyncio.to_thread(partial(kept.keep, user, sha256, folder))
    return Upload(id=sha256, bytes=done.size)


def series(
    request: Request, files: Annotated[list[str], Body(embed=True, max_length=100_000)]
) -> Series:
    """Make one upload of those of the files of a DICOM series, by their hashes."""
    return Series(id=_kept().series(user_of(request).name, files))


def remove(request: Request, sha256: str) -> Response:
    """Delete an upload at once."""
    _kept().remove(user_of(request).name, sha256)
    return Response(status_code=204)


async def _written(request: Request, path: Path) -> str:
    """Write the body while it comes; returns its SHA-256."""
    digest = hashlib.sha256()
    with path.open("xb") as target:
        path.chmod(0o600)
        try:
            async for chunk in _chunks(request):
                digest.update(chunk)
                await asyncio.to_thread(target.write, chunk)
        except ClientDisconnect as error:
            raise BadInput("The upload was broken off.", "Send it again.") from error
    if not path.stat().st_size:
        raise BadInput("The body is empty.", "Send the file as the body.")
    return digest.hexdigest()


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    gathered = bytearray()
    async for piece in request.stream():
        gathered += piece
        if len(gathered) >= CHUNK:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _kept() -> KeptUploads:
    kept: KeptUploads | None = app_instance().kept
    if kept is None:
        raise Unavailable("This server keeps no uploads.", "Upload the volume to /infer instead.")
    return kept
