"""Stock routes that this server does not serve."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from lib.routes import access

REFUSALS = (
    ("/reload", "POST", "This server is not reloaded by a request: stop it and start it again."),
    ("/model/{model}", "PUT", "Models change by training, or by files in the models folder."),
    ("/model/{model}", "DELETE", "Models are deleted in the models folder."),
    ("/infer/wsi/{model}", "POST", "This server has no models for whole-slide images."),
    ("/infer/wsi_v2/{model}", "POST", "This server has no models for whole-slide images."),
)


def routes() -> APIRouter:
    """One refusal for each."""
    router = APIRouter(dependencies=[access.user()], include_in_schema=False)
    for path, method, reason in REFUSALS:
        router.add_api_route(path, _refusal(reason), methods=[method])
    return router


class _Refusal:
    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __call__(self) -> None:
        raise HTTPException(403, self._reason)


def _refusal(reason: str) -> _Refusal:
    return _Refusal(reason)
