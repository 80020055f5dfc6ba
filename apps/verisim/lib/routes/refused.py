"""Stock routes that this server does not serve."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, HTTPException

from lib.routes import access

REFUSALS = (
    ("/reload", "POST", "This server is not reloaded by a request: stop it and start it again."),
    ("/model/{model}", "PUT", "Models change by training, or by files in the models folder."),
    ("/model/{model}", "DELETE", "Models are deleted in the models folder."),
    ("/train/", "POST", "Name what to train: POST /train/{model}."),
    ("/scoring/", "POST", "Name the method: POST /scoring/{method}."),
    ("/datastore/updatelabelinfo", "PUT", "A note about a label goes to /datastore/label/info."),
    ("/infer/wsi/{model}", "POST", "This server has no models for whole-slide images."),
    ("/infer/wsi_v2/{model}", "POST", "This server has no models for whole-slide images."),
)


def routes() -> APIRouter:
    """One refusal for each."""
    router = APIRouter(dependencies=[access.user()], tags=["Refused"])
    for path, method, reason in REFUSALS:
        router.add_api_route(
            path,
            _refusal(reason),
            methods=[method],
            summary=reason,
            status_code=403,
            deprecated=True,
            response_model=None,
        )
    return router


def _refusal(reason: str) -> Callable[[], None]:
    def refuse() -> None:
        raise HTTPException(403, reason)

    return refuse
