"""Starting the stock jobs: an unknown name is refused here instead of failing in a subprocess."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import APIRouter, Body
from monailabel.endpoints import activelearning, batch_infer, scoring, train
from monailabel.endpoints.user.auth import User
from monailabel.interfaces.tasks.batch_infer import BatchInferImageType
from monailabel.interfaces.utils.app import app_instance

from lib.names import check_image_id
from lib.routes import access
from lib.routes.parameters import unreserved
from verisim.errors import BadInput, NotFound

Parameters = Annotated[dict[str, Any] | None, Body()]


def routes() -> APIRouter:
    """The routes, each for MONAI Label's own role."""
    router = APIRouter()
    for path, endpoint, role, tag in (
        ("/train/{model}", run_train, access.admin(), "Train"),
        ("/scoring/{method}", run_scoring, access.annotator(), "Scoring"),
        ("/batch/infer/{model}", run_batch, access.admin(), "Infer"),
    ):
        router.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            tags=[tag],
            dependencies=[role],
            response_model=None,
        )
    router.add_api_route(
        "/activelearning/{strategy}",
        next_sample,
        methods=["POST"],
        tags=["ActiveLearning"],
        response_model=None,
    )
    return router


def run_train(
    model: str, params: Parameters = None, run_sync: bool = False, enqueue: bool = False
) -> dict[str, Any]:
    """Start a training."""
    _check("trainer", model, app_instance().info()["trainers"])
    given = unreserved(params)
    app_instance().check_training(model, given)
    return train.run_model(model, given, run_sync, enqueue)


def run_scoring(method: str, params: Parameters = None, run_sync: bool = False) -> dict[str, Any]:
    """Start a scoring."""
    _check("scoring method", method, app_instance().info()["scoring"])
    return scoring.run_method(method, unreserved(params), run_sync)


def run_batch(
    model: str,
    images: BatchInferImageType = BatchInferImageType.IMAGES_ALL,
    params: Parameters = None,
    run_sync: bool = False,
) -> dict[str, Any]:
    """Segment many images of the datastore."""
    app_instance().models.card(model)
    given = unreserved(params)
    listed = given.get("images", [])
    if isinstance(listed, list):
        _check_images(listed)
    elif listed not in {kind.value for kind in BatchInferImageType}:
        raise BadInput(f"images is {listed!r}.", "Give all, labeled, unlabeled or a list of ids.")
    return batch_infer.run(model, images, given, run_sync)


def next_sample(
    strategy: str, user: Annotated[User, access.user()], params: Parameters = None
) -> dict[str, Any]:
    """The image to label next; {} when none is left."""
    _check("strategy", strategy, app_instance().info()["strategies"])
    found: dict[str, Any] = activelearning.sample(strategy, unreserved(params), user.username)
    return {**found, "path": ""} if found else found  # where it lies is the server's matter


def _check(kind: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise NotFound(
            f"There is no {kind} named {name!r}.", f"Choose one of: {', '.join(known) or 'none'}."
        )


def _check_images(ids: list[Any]) -> None:
    known = set(app_instance().datastore().list_images())
    for n, image_id in enumerate(ids, start=1):
        if check_image_id(str(image_id)) not in known:  # the id may be a patient's name
            raise NotFound(
                f"Image {n} of the list does not exist.", "GET /datastore/?output=all lists all."
            )
