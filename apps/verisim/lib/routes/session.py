"""Sessions: one volume, or the files of a DICOM series, kept for an hour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import FileResponse
from monailabel.endpoints import session as stock
from monailabel.interfaces.utils.app import app_instance

from lib.doors.who import user_of
from lib.routes import access
from lib.sessions import content_of
from lib.uploads import received_folder
from verisim.errors import BadInput, NotFound


def routes() -> APIRouter:
    """The routes, for everyone who is logged in."""
    router = APIRouter(prefix="/session", tags=["Session"], dependencies=[access.user()])
    router.add_api_route("/", create, methods=["PUT"], summary="Create new session with Image")
    router.add_api_route(
        "/{session_id}", show, methods=["GET"], summary="Get Session ID", response_model=None
    )
    router.add_api_route("/{session_id}", remove, methods=["DELETE"], summary="Delete Session")
    return router


def create(
    request: Request,
    files: Annotated[list[UploadFile], File()],
    uncompress: bool = False,
    expiry: int = 0,
) -> dict[str, Any]:
    """Keep uploaded files as one image: one file is a volume, several are a DICOM series.

    Whoever sends the same again gets the same session.
    """
    if uncompress:
        raise BadInput("This server unpacks no archives.", "Upload the files themselves.")
    sessions = app_instance().sessions()
    if sessions is None:
        raise NotFound("This server keeps no sessions.", "Upload the volume to /infer instead.")
    with received_folder(files) as folder:
        source = folder if len(files) > 1 else next(folder.iterdir())
        user = user_of(request).name
        content = content_of(user, folder, expiry)
        session_id, session = sessions.opened(source, content, expiry, user)
    return {"session_id": session_id, "session_info": _told(session.to_json())}


def show(
    session_id: str, update_ts: bool = False, image: bool = False
) -> FileResponse | dict[str, Any]:
    """What is known of a session, or the file that it holds."""
    found = stock.get_session(session_id, update_ts, image)
    if isinstance(found, dict):
        return _told(found)
    if Path(found.path).is_dir():
        raise BadInput("This session holds a series of files.", "Only single files are sent back.")
    return found


def remove(session_id: str) -> dict[str, Any]:
    """Forget a session and its files."""
    return _told(stock.remove_session(session_id))


def _told(session: Mapping[str, Any]) -> dict[str, Any]:
    return {**session, "path": "", "image": ""}  # where it lies is the server's matter
