"""`/jobs`: long work that is handed in, watched, cancelled and fetched.

Nothing here waits in the threads of the other requests, so that it answers at once whatever they
do.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from monailabel.interfaces.utils.app import app_instance

from lib.doors.who import Role, user_of
from lib.jobs.asking import Source, segment_asked
from lib.jobs.audit_asked import audit_asked
from lib.jobs.described import (
    FILE,
    PICTURE,
    REPEATED,
    RESULT,
    STOPPING,
    STREAM,
    AuditParams,
    Key,
    Options,
    Params,
    SynthesisParams,
    SynthesisUploads,
    Uploads,
)
from lib.jobs.stream import events
from lib.jobs.synthesis_asked import synthesis_asked
from lib.jobs.threads import do, look
from lib.jobs.told import Accepted, Files, Forgotten, Listed, Status, accepted, files_of, status
from lib.jobs.training_asked import training_asked
from lib.routes import access
from lib.routes.parameters import json_object
from verisim.errors import Conflict, NotFound
from verisim.jobs.asked import Asked, Seen
from verisim.jobs.desk import Desk
from verisim.jobs.job import State


def routes() -> APIRouter:
    """The routes, for everyone who is logged in; each sees jobs of its own."""
    router = APIRouter(tags=["Jobs"], dependencies=[access.user()])
    add = router.add_api_route
    for path, endpoint, roles, summary in (
        ("/jobs/segment", segment, [], "Segment one volume as a job"),
        ("/jobs/train", train, [access.admin()], "Train a model as a job"),
        ("/jobs/synthesize", synthesize, [access.admin()], "Make synthetic cases as a job"),
        ("/jobs/audit", audit, [access.admin()], "Audit synthetic cases as a job"),
    ):
        add(
            path,
            endpoint,
            methods=["POST"],
            status_code=202,
            response_model=Accepted,
            responses=REPEATED,
            dependencies=roles,
            summary=summary,
        )
    add("/jobs", listed, methods=["GET"], response_model=Listed, summary="Your newest jobs")
    add("/jobs/{job_id}", show, methods=["GET"], response_model=Status, summary="How a job stands")
    add("/jobs/{job_id}", cancel, methods=["DELETE"], response_model=Status, responses=STOPPING)
    add("/jobs/{job_id}/data", forget, methods=["DELETE"], response_model=Forgotten)
    for path, endpoint, responses in (
        ("/jobs/{job_id}/events", stream, STREAM),
        ("/jobs/{job_id}/preview", preview, PICTURE),
        ("/jobs/{job_id}/result", result, RESULT),
        ("/jobs/{job_id}/result/{name}", result_file, FILE),
    ):
        add(path, endpoint, methods=["GET"], responses=responses, response_class=Response)
    add("/data", forget_all, methods=["DELETE"], response_model=Forgotten)
    return router


async def segment(
    request: Request,
    image: str = "",
    session_id: str = "",
    upload: str = "",
    params: Params = "{}",
    file: Uploads = None,
    key: Key = None,
) -> Response:
    """Segment an image of the datastore, of a session, a kept upload, or the uploaded volume."""
    user = user_of(request)
    source = Source(image, session_id, tuple(file or ()), upload, user.name)

    def asked() -> Asked:
        return segment_asked(app_instance(), json_object(params), source, user, key or "")

    return await do(lambda: handed_in(asked()))


async def train(
    request: Request,
    params: Options,
    key: Key = None,
) -> Response:
    """Learn from the cases that have a final label now; later changes of them do not matter."""
    user = user_of(request).name
    return await do(lambda: handed_in(training_asked(app_instance(), params, user, key or "")))


async def synthesize(
    request: Request,
    params: SynthesisParams = "{}",
    file: SynthesisUploads = None,
    key: Key = None,
) -> Response:
    """Make labelled cases that are nobody's; until they are audited they are not to be shared."""
    user, uploads = user_of(request).name, tuple(file or ())

    def asked() -> Asked:
        return synthesis_asked(app_instance(), json_object(params), uploads, user, key or "")

    return await do(lambda: handed_in(asked()))


async def audit(request: Request, params: AuditParams, key: Key = None) -> Response:
    """Say whether synthetic cases copy training patients, and let out those that do not."""
    user = user_of(request)

    def asked() -> Asked:
        return audit_asked(app_instance(), params, user, key or "")

    return await do(lambda: handed_in(asked()))


def handed_in(asked: Asked) -> Response:
    """202 with a new job, 200 with the one that its key stands for."""
    job = desk().submit(asked)
    told = accepted(job)
    new = job.id == asked.id
    return JSONResponse(
        told.model_dump(), 202 if new else 200, headers={"Location": told.status_url}
    )


async def listed(
    request: Request,
    every: Annotated[bool, Query(alias="all", description="Of all users, for an admin.")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Listed:
    """Your newest jobs, the newest first; `all=true` shows an admin those of everybody."""
    user = user_of(request)
    whose = None if every and user.role >= Role.ADMIN else user.name
    found = await look(lambda: [_told(seen) for seen in desk().latest(whose, limit)])
    return Listed(jobs=found)


async def show(request: Request, job_id: str) -> Status:
    """State, percent by real steps, time left from measured steps, place in the queue."""
    seen = desk().glance(job_id)
    if seen is not None:
        return status(own(request, seen))
    return await look(lambda: _told(own(request, desk().look(job_id))))


async def stream(request: Request, job_id: str) -> Response:
    """Server-sent events; a client that reconnects gets the present status again."""
    await _own(request, job_id)

    async def ended() -> Status:
        return await look(lambda: _told(desk().look(job_id)))

    return StreamingResponse(
        events(desk(), job_id, ended),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def preview(request: Request, job_id: str) -> Response:
    """A small picture of the case that is being made, new every second at most."""
    seen = await _own(request, job_id)
    picture = await look(partial(desk().preview, seen.job.id))
    return Response(picture, media_type="image/png", headers={"Cache-Control": "no-store"})


async def cancel(request: Request, job_id: str, response: Response) -> Status:
    """End a job at its next step; its device is free then. 200 when it is over already."""
    await _own(request, job_id)
    told = await do(partial(_cancelled, job_id))
    response.status_code = 200 if told.state.ended else 202
    return told


async def forget(request: Request, job_id: str) -> Forgotten:
    """Cancel a job, and delete its input, its results and its record at once."""
    await _own(request, job_id)
    await do(partial(desk().forget, job_id))
    return Forgotten(jobs=[job_id])


async def forget_all(request: Request) -> Forgotten:
    """Delete what this server keeps of you: jobs with inputs and results, and uploads."""
    user = user_of(request).name
    return await do(partial(_forgotten, user))


async def result(request: Request, job_id: str) -> Response:
    """The result of a job: the file itself, or the list of them if there are several."""
    seen = await _own(request, job_id)
    path = await look(partial(_only_result, seen))
    if path is None:
        told = await look(lambda: Files(files=files_of(seen.job, _folder(seen))))
        return JSONResponse(told.model_dump())
    return _sent(path)


async def result_file(request: Request, job_id: str, name: str) -> Response:
    """One file of the result; parts of it with the header Range."""
    seen = await _own(request, job_id)
    return _sent(await look(partial(_result, seen, name)))


def desk() -> Desk:
    """Of this server."""
    found: Desk = app_instance().desk
    return found


def own(request: Request, seen: Seen) -> Seen:
    """The job, if it is the caller's or the caller is an admin.

    Raises:
        NotFound: It is somebody else's; whether there is one is not told.
    """
    user = user_of(request)
    if seen.job.user != user.name and user.role < Role.ADMIN:
        raise NotFound(
            "There is no such job, or it was kept long enough.", "GET /jobs lists yours."
        )
    return seen


async def _own(request: Request, job_id: str) -> Seen:
    seen = desk().glance(job_id) or await look(lambda: desk().look(job_id))
    return own(request, seen)


def _cancelled(job_id: str) -> Status:
    desk().cancel(job_id)
    return _told(desk().look(job_id))


def _told(seen: Seen) -> Status:
    return status(seen, _folder(seen))


def _folder(seen: Seen) -> Path | None:
    if seen.job.state != State.DONE or not seen.job.files:
        return None
    return desk().result(seen.job.id, seen.job.files[0]).parent


def _only_result(seen: Seen) -> Path | None:
    names = seen.job.files
    return None if len(names) > 1 else _result(seen, names[0] if names else "")


def _result(seen: Seen, name: str) -> Path:
    trouble = seen.job.trouble
    if trouble is not None:
        failed = Conflict(trouble.message, trouble.remedy)
        failed.code = trouble.code
        raise failed
    path = desk().result(seen.job.id, name)
    if not path.is_file():
        raise NotFound("The result was kept long enough.", "Hand the job in again.")
    return path


def _sent(path: Path) -> FileResponse:
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


def _forgotten(user: str) -> Forgotten:
    found = [seen.job.id for seen in desk().latest(user, 1_000_000)]
    for job_id in found:
        desk().forget(job_id)
    app_instance().refining.starts.forget(user)
    sessions = app_instance().sessions()
    ended = sessions.remove_of(user) if sessions is not None else 0
    return Forgotten(jobs=found, sessions=ended, uploads=app_instance().kept.remove_all(user))
