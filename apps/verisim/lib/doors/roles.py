"""Which role a request needs: one table for every route, MONAI Label's own included."""

from __future__ import annotations

from starlette.routing import compile_path

from lib.doors.refusals import not_allowed
from lib.doors.who import Role, User

OPEN = None
READER, ANNOTATOR, ADMIN = Role.READER, Role.ANNOTATOR, Role.ADMIN

TABLE = (
    # for everybody, without a key
    (OPEN, "GET", "/health"),
    (OPEN, "GET", "/health/{check}"),
    (OPEN, "GET", "/auth/"),
    (OPEN, "POST", "/auth/token"),
    (OPEN, "GET", "/favicon.ico"),
    # look, segment, keep an own upload for an hour
    (READER, "GET", "/auth/token/valid"),
    (READER, "GET", "/"),
    (READER, "GET", "/docs"),
    (READER, "GET", "/openapi.json"),
    (READER, "GET", "/static/{path:path}"),
    (READER, "GET", "/ohif/{path:path}"),
    (READER, "GET", "/proxy/dicom/{path:path}"),
    (READER, "GET", "/info/"),
    (READER, "GET", "/metrics"),
    (READER, "POST", "/infer/{model}"),
    (READER, "POST", "/refine/{model}"),
    (READER, "PUT", "/session/"),
    (READER, "GET DELETE", "/session/{session_id}"),
    (READER, "POST", "/uploads/series"),
    (READER, "GET PUT DELETE", "/uploads/{sha256}"),
    (READER, "GET", "/jobs"),
    (READER, "GET", "/jobs/{path:path}"),
    (READER, "POST", "/jobs/segment"),
    (READER, "DELETE", "/jobs/{job_id}"),
    (READER, "DELETE", "/jobs/{job_id}/data"),
    (READER, "DELETE", "/data"),
    (READER, "GET", "/datastore/"),
    (READER, "GET", "/datastore/image"),
    (READER, "GET", "/datastore/image/info"),
    (READER, "GET", "/datastore/label"),
    (READER, "GET", "/datastore/label/info"),
    (READER, "GET", "/train/"),
    (READER, "GET", "/scoring/"),
    (READER, "GET", "/batch/infer"),
    # bring images and labels, and find out which comes next
    (ANNOTATOR, "POST", "/proxy/dicom/{path:path}"),
    (ANNOTATOR, "PUT", "/datastore/"),
    (ANNOTATOR, "PUT", "/datastore/image"),
    (ANNOTATOR, "PUT", "/datastore/image/info"),
    (ANNOTATOR, "PUT", "/datastore/label"),
    (ANNOTATOR, "PUT", "/datastore/label/info"),
    (ANNOTATOR, "PUT", "/datastore/updatelabelinfo"),
    (ANNOTATOR, "GET", "/datastore/dataset"),
    (ANNOTATOR, "POST", "/activelearning/{strategy}"),
    (ANNOTATOR, "POST DELETE", "/scoring/"),
    (ANNOTATOR, "POST", "/scoring/{method}"),
    # everything else, listed here or not: train, delete, fetch models, read the log
    (ADMIN, "POST DELETE", "/train/"),
    (ADMIN, "POST", "/train/{model}"),
    (ADMIN, "POST", "/jobs/train"),
    (ADMIN, "POST", "/jobs/synthesize"),
    (ADMIN, "POST", "/jobs/audit"),
    (ADMIN, "GET", "/datasets"),
    (ADMIN, "DELETE", "/batch/infer"),
    (ADMIN, "POST", "/batch/infer/{model}"),
    (ADMIN, "DELETE", "/datastore/"),
    (ADMIN, "DELETE", "/datastore/image"),
    (ADMIN, "DELETE", "/datastore/label"),
    (ADMIN, "GET", "/model/{model}"),
    (ADMIN, "GET", "/model/info/{model}"),
    (ADMIN, "GET", "/logs/"),
    (ADMIN, "GET", "/logs/gpu"),
)
"""Role, methods and path; the first that fits counts. Whoever may GET may HEAD.

A slash at the end makes no difference: the server sends the client to the path that it knows.
"""

_RULES = [
    (role, frozenset(methods.split()), compile_path(path)[0]) for role, methods, path in TABLE
]


def role_for(method: str, path: str) -> Role | None:
    """The role that a request needs; `OPEN` (None) if none. What is not listed needs an admin."""
    asked = "GET" if method == "HEAD" else method
    spellings = (path, path.rstrip("/") if path.endswith("/") else f"{path}/")
    for spelling in spellings:
        for role, methods, pattern in _RULES:
            if asked in methods and pattern.match(spelling):
                return role
    return ADMIN


def check_may_synthesize(user: User) -> None:
    """Refuse synthetic cases, which may copy patients, to whoever may not make a job of them.

    Raises:
        TurnedAway: The user is no admin.
    """
    if user.role < ADMIN:
        raise not_allowed(user, ADMIN)


def check_may_label(user: User) -> None:
    """Refuse to save a label for somebody who may only segment, whatever route is asked.

    Raises:
        TurnedAway: The user is no annotator.
    """
    if user.role < ANNOTATOR:
        raise not_allowed(user, ANNOTATOR)
