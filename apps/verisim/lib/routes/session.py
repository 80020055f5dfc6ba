"""`PUT /session/`: one volume, or the files of a DICOM series, for an hour."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, UploadFile
from monailabel.interfaces.utils.app import app_instance

from lib.routes import access
from lib.uploads import received_folder
from verisim.errors import BadInput, NotFound


def routes() -> APIRouter:
    """The route, for everyone who is logged in."""
    router = APIRouter(prefix="/session", tags=["Session"], dependencies=[access.user()])
    router.add_api_route("/", create, methods=["PUT"], summary="Create new session with Image")
    return router


def create(
    files: Annotated[list[UploadFile], File()], uncompress: bool = False, expiry: int = 0
) -> dict[str, Any]:
    """Keep uploaded files as one image: one file is a volume, several are a DICOM series."""
    if uncompress:
        raise BadInput("This server unpacks no archives.", "Upload the files themselves.")
    sessions = app_instance().sessions()
    if sessions is None:
        raise NotFound("This server keeps no sessions.", "Upload the volume to /infer instead.")
    with received_folder(files) as folder:
        source = folder if len(files) > 1 else next(folder.iterdir())
        session_id, session = sessions.add_session(str(source), expiry, False)
    told = session.to_json() | {"path": "", "image": ""}  # where it lies is the server's matter
    return {"session_id": session_id, "session_info": told}
