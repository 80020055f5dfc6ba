"""What clients read of the studies, in the thread pool: a PACS or a disk may be slow.

MONAI Label's own are coroutines around synchronous work and hold up every other request.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import FileResponse
from monailabel.endpoints import datastore as stock
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.others.generic import file_checksum, get_mime_type

from lib.names import check_image_id, check_tag
from lib.pacs.datastore import PacsDatastore
from lib.routes import access
from lib.routes.parameters import note
from verisim.errors import BadInput, NotFound

DIGESTS = ("SHA256", "SHA512", "MD5")
LISTED = "GET /datastore/?output=all lists what exists."


def routes() -> APIRouter:
    """The routes, each for MONAI Label's own role."""
    router = APIRouter(tags=["Datastore"])
    reading: tuple[tuple[str, str, Callable[..., Any]], ...] = (
        ("GET", "/info/", app_info),
        ("GET", "/datastore/image", image),
        ("HEAD", "/datastore/image", image_exists),
        ("GET", "/datastore/label", label),
        ("HEAD", "/datastore/label", label_exists),
        ("GET", "/datastore/image/info", image_info),
        ("GET", "/datastore/label/info", label_info),
    )
    for method, path, endpoint in reading:
        router.add_api_route(
            path, endpoint, methods=[method], response_model=None, dependencies=[access.user()]
        )
    for path, endpoint in (
        ("/datastore/image/info", tell_image),
        ("/datastore/label/info", tell_label),
    ):
        router.add_api_route(path, endpoint, methods=["PUT"], response_model=None)
    for path in ("/datastore/", "/datastore/image"):
        router.add_api_route(path, remove_image, methods=["DELETE"], response_model=None)
    router.add_api_route("/datastore/label", remove_label, methods=["DELETE"], response_model=None)
    return router


def app_info() -> dict[str, Any]:
    """Models, trainers, strategies and counts of the studies."""
    told: dict[str, Any] = app_instance().info()
    return told


def image(image: str) -> FileResponse:
    """An image as one file."""
    return _sent(_image_file(image))


def image_exists(image: str, check_sum: str | None = None) -> dict[str, Any]:
    """Whether there is an image, and whether it is the one that the caller has."""
    path = _image_file(image)
    if check_sum and _digest(path, check_sum.rpartition(":")[0]) != check_sum.rpartition(":")[2]:
        raise NotFound(f"The image {image!r} is another one than that.", "Download it again.")
    return {}


def label(label: str, tag: str) -> FileResponse:
    """The label of an image."""
    return _sent(_label_file(label, tag))


def label_exists(image: str, tag: str) -> dict[str, Any]:
    """Whether there is a label of an image."""
    _label_file(image, tag)
    return {}


def image_info(image: str) -> dict[str, Any]:
    """What is known about an image."""
    return dict(stock.get_image_info(check_image_id(image)))


def label_info(label: str, tag: str) -> dict[str, Any]:
    """What is known about a label."""
    return dict(stock.get_label_info(check_image_id(label), check_tag(tag)))


def tell_image(
    image: str, user: Annotated[User, access.annotator()], info: Annotated[str, Form()] = "{}"
) -> None:
    """Keep a note about an image."""
    told = {**note(info), "user": user.username}
    app_instance().datastore().update_image_info(check_image_id(image), told)


def tell_label(
    label: str,
    tag: str,
    user: Annotated[User, access.annotator()],
    info: Annotated[str, Form()] = "{}",
) -> None:
    """Keep a note about a label."""
    told = {**note(info), "user": user.username}
    app_instance().datastore().update_label_info(check_image_id(label), check_tag(tag), told)


def remove_image(id: str, user: Annotated[User, access.admin()]) -> dict[str, Any]:
    """Delete an image and its labels."""
    return dict(stock.remove_image(check_image_id(id), user.username))


def remove_label(id: str, tag: str, user: Annotated[User, access.admin()]) -> dict[str, Any]:
    """Delete a label."""
    return dict(stock.remove_label(check_image_id(id), check_tag(tag), user.username))


def _image_file(image: str) -> Path:
    store = app_instance().datastore()
    image_id = check_image_id(image)
    pacs = isinstance(store, PacsDatastore)
    path = store.image_file(image_id) if pacs else Path(store.get_image_uri(image_id) or ".")
    if path is None or not path.is_file():
        raise NotFound(f"There is no image {image_id!r}.", LISTED)
    return path


def _label_file(label: str, tag: str) -> Path:
    uri = app_instance().datastore().get_label_uri(check_image_id(label), check_tag(tag))
    if not uri or not Path(uri).is_file():
        raise NotFound(f"There is no label of {label!r} with the tag {tag!r}.", LISTED)
    return Path(uri)


def _digest(path: Path, algorithm: str) -> str:
    if algorithm not in ("", *DIGESTS):
        raise BadInput(
            f"The check sum is of the kind {algorithm[:40]!r}.",
            f"Send one of {', '.join(DIGESTS)}.",
        )
    return str(file_checksum(str(path), algo=algorithm or DIGESTS[0])).rpartition(":")[2]


def _sent(path: Path) -> FileResponse:
    return FileResponse(path, media_type=get_mime_type(str(path)), filename=path.name)
