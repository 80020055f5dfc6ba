"""`POST /infer/{model}`: the stock route's parameters and replies, in the thread pool.

MONAI Label's own is a coroutine around synchronous work and holds up every other request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, File, Form, Request, Response, UploadFile
from monailabel.endpoints import infer as stock
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.others.generic import remove_file

from lib.doors.roles import check_may_label, check_may_synthesize
from lib.doors.who import user_of
from lib.kept import checked
from lib.names import check_image_id
from lib.routes import access
from lib.routes.parameters import json_object, unreserved
from lib.sources import session_image
from lib.uploads import received
from lib.watch import metrics
from verisim.errors import BadInput

REPLY = {
    200: {
        "description": "By default a form with `params` (JSON) and `image` (the label map).",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "params": {"type": "object"},
                        "image": {"type": "string", "format": "binary"},
                    },
                }
            },
            "application/json": {"schema": {"type": "object"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "application/dicom": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def routes() -> APIRouter:
    """The route, for everyone who is logged in."""
    router = APIRouter(prefix="/infer", tags=["Infer"], dependencies=[access.user()])
    router.add_api_route(
        "/{model}",
        infer,
        methods=["POST"],
        summary="Segment one volume",
        response_model=None,
        responses=REPLY,
    )
    return router


def infer(
    request: Request,
    background_tasks: BackgroundTasks,
    model: str,
    image: str = "",
    session_id: str = "",
    upload: str = "",
    params: Annotated[str, Form()] = "{}",
    file: Annotated[UploadFile | None, File()] = None,
    label: Annotated[UploadFile | None, File(description="Accepted, not used.")] = None,
    output: stock.ResultType | None = None,
) -> Response | dict[str, Any]:
    """Segment an image of the datastore, of a session, a kept upload, or the uploaded file.

    A model that makes cases makes one: for the label of an image of the datastore, for an
    uploaded label map, or of its own.
    """
    app = app_instance()
    makes = app.models.card(model).kind == "synthesis"
    if makes:
        check_may_synthesize(user_of(request))
    asked = {**asked_in(params, output), "model": model}
    if asked.get("save_label"):
        check_may_label(user_of(request))
    kept = app.kept.using(user_of(request).name, checked(upload)) if upload else None
    kind = "synthesize" if makes else "segment"
    named = image or ("none" if makes else "")
    with source_of(app, named, session_id, file, kept) as source, metrics.counted(kind, model):
        result = app.infer({**asked, "image": source})
    return replied(app, result, output, background_tasks)


def asked_in(params: str, output: stock.ResultType | None) -> dict[str, Any]:
    """The parameters of a form; of a DICOM segmentation the file is one of DICOM."""
    asked = unreserved(json_object(params))
    dicom = output == stock.ResultType.dicom_seg
    return {**asked, "result_extension": ".dcm"} if dicom else asked


def replied(
    app: MONAILabelApp,
    result: Mapping[str, Any],
    output: stock.ResultType | None,
    background_tasks: BackgroundTasks,
) -> Response | dict[str, Any]:
    """MONAI Label's answer with a temporary file, which goes when it is sent, or at once."""
    with ExitStack() as undo:
        undo.callback(remove_file, result["file"])
        response: Response | dict[str, Any] = stock.send_response(
            app.datastore(), {**result, "dicom_seg": result["file"]}, output, background_tasks
        )
        undo.pop_all()  # from here the background task deletes it
    return response


@contextmanager
def source_of(
    app: MONAILabelApp,
    image: str,
    session_id: str,
    file: UploadFile | None,
    kept: AbstractContextManager[Path] | None,
) -> Iterator[str | Path]:
    """What to segment: an id of the datastore, or a path that only the server can have chosen."""
    if session_id:
        yield session_image(app.sessions(), session_id)
    elif kept is not None:
        with kept as path:
            yield path
    elif file is not None:
        with received(file) as path:
            yield path
    elif image:
        yield check_image_id(image)
    else:
        raise BadInput(
            "The request names no image.",
            "Name it with ?image=ID, ?session_id=ID or ?upload=SHA256, or send it as file.",
        )
