"""Our routes: they come before MONAI Label's own of the same path."""

from __future__ import annotations

from fastapi import APIRouter

from lib.routes import (
    datasets,
    datastore,
    health,
    infer,
    jobs,
    logs,
    proxy,
    refine,
    refused,
    session,
    studies,
    uploads,
    work,
)


def our_routes() -> APIRouter:
    """All of them."""
    router = APIRouter()
    ours = (
        health,
        refused,
        infer,
        refine,
        session,
        datastore,
        datasets,
        jobs,
        studies,
        proxy,
        logs,
        work,
        uploads,
    )
    for part in ours:
        router.include_router(part.routes())
    return router
