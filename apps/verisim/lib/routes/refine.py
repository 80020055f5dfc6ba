"""`POST /refine/{model}`: a segmentation, corrected by all clicks so far."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, File, Form, Request, Response, UploadFile
from monailabel.endpoints import infer as stock
from monailabel.interfaces.datastore import DefaultLabelTag
from monailabel.interfaces.utils.app import app_instance

from lib.doors.who import user_of
from lib.kept import checked
from lib.routes import access
from lib.routes.infer import REPLY, asked_in, replied, source_of
from lib.sources import stored_image
from lib.uploads import received
from lib.watch import metrics

Params = Annotated[
    str,
    Form(
        description="JSON: clicks, a list of position_mm (RAS), label and belongs; all of them, "
        "each time. by: auto, network or walker. The rest as for /infer: result_extension, "
        "device, mirror, series, samples, steps, seed.",
        examples=['{"clicks": [{"position_mm": [12, -20.5, 7], "label": "anterior"}]}'],
    ),
]
Drawn = Annotated[
    UploadFile | None,
    File(description="A label map on the voxels of the image: corrected instead of the model's."),
]


def routes() -> APIRouter:
    """The route, for everyone who is logged in."""
    router = APIRouter(prefix="/refine", tags=["Infer"], dependencies=[access.user()])
    router.add_api_route(
        "/{model}",
        refined,
        methods=["POST"],
        summary="Correct a segmentation by clicks",
        response_model=None,
        responses=REPLY,
    )
    return router


def refined(
    request: Request,
    background_tasks: BackgroundTasks,
    model: str,
    image: str = "",
    session_id: str = "",
    upload: str = "",
    params: Params = "{}",
    file: Annotated[UploadFile | None, File()] = None,
    label: Drawn = None,
    output: stock.ResultType | None = None,
) -> Response | dict[str, Any]:
    """Correct what a model says of an image, or the label map that is sent, by all clicks so far.

    The model is asked at the first request of a volume; its answer is kept for the next ones.
    """
    app, user = app_instance(), user_of(request).name
    app.models.card(model)
    asked = asked_in(params, output)
    kept = app.kept.using(user, checked(upload)) if upload else None
    with ExitStack() as stack:
        source = stack.enter_context(source_of(app, image, session_id, file, kept))
        path = source if isinstance(source, Path) else stored_image(app.datastore(), source)
        drawn = stack.enter_context(received(label)) if label is not None else None
        stack.enter_context(metrics.counted("refine", model))
        result, told = app.refining(model, {**asked, "image": path}, user, drawn)
    found = {"label": result, "tag": DefaultLabelTag.ORIGINAL, "file": result, "params": told}
    return replied(app, found, output, background_tasks)
