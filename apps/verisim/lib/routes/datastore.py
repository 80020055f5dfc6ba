"""Images and labels that come into the datastore: read once before they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, File, Form, UploadFile
from fastapi.responses import FileResponse
from monailabel.endpoints import datastore as stock
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.others.generic import remove_file

from lib.names import check_image_id, check_tag, file_name
from lib.routes import access
from lib.routes.parameters import note
from lib.uploads import received
from verisim import files


def routes() -> APIRouter:
    """The routes, for annotators."""
    router = APIRouter(prefix="/datastore", tags=["Datastore"])
    router.add_api_route(
        "/",
        show,
        methods=["GET"],
        summary="Get All Images/Labels",
        response_model=None,
        dependencies=[access.user()],
    )
    router.add_api_route("/image", add_image, methods=["PUT"], summary="Upload new Image")
    router.add_api_route("/", add_image, methods=["PUT"], include_in_schema=False)
    router.add_api_route("/label", save_label, methods=["PUT"], summary="Save Finished Label")
    router.add_api_route(
        "/dataset",
        dataset,
        methods=["GET"],
        summary="Download full dataset as ZIP archive",
        response_model=None,
        dependencies=[access.annotator()],
    )
    return router


def show(output: stock.ResultType | None = None) -> dict[str, Any] | list[dict[str, str]]:
    """Statistics, all images and labels, or the pairs for training, by their files' names."""
    if output == stock.ResultType.train:
        pairs = app_instance().datastore().datalist()
        return [{key: Path(path).name for key, path in pair.items()} for pair in pairs]
    told: dict[str, Any] = stock.datastore(output)
    return told


def add_image(
    file: Annotated[UploadFile, File()],
    user: Annotated[User, access.annotator()],
    image: str = "",
    params: Annotated[str, Form()] = "{}",
) -> dict[str, Any]:
    """Keep an image under the id `image`, or under its file's name."""
    info = {**note(params), "user": user.username}
    with received(file) as path:
        image_id = check_image_id(image or files.stem(Path(file_name(file.filename, path.name))))
        files.read(path)
        return {"image": app_instance().datastore().add_image(image_id, str(path), info)}


def save_label(
    image: str,
    label: Annotated[UploadFile, File()],
    user: Annotated[User, access.annotator()],
    tag: str = "final",
    params: Annotated[str, Form()] = "{}",
) -> dict[str, Any]:
    """Keep the label of an image."""
    app = app_instance()
    info = {**note(params), "user": user.username}
    check_image_id(image)
    check_tag(tag or "final")
    with received(label) as path:
        files.read_label_map(path)
        label_id = app.datastore().save_label(image, str(path), tag or "final", info)
    return {**(app.on_save_label(image, label_id) or {}), "image": image, "label": label_id}


def dataset(background_tasks: BackgroundTasks, limit_cases: int | None = None) -> FileResponse:
    """All images with a final label, and their labels."""
    response = stock.download_dataset(limit_cases)
    background_tasks.add_task(remove_file, response.path)
    return response
