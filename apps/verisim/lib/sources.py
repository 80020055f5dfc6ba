"""Volumes that a request may name: paths that only the server itself can have chosen."""

from __future__ import annotations

from pathlib import Path

from monailabel.interfaces.datastore import Datastore
from monailabel.utils.sessions import Sessions

from lib.names import check_image_id, check_tag
from verisim.errors import NotFound


def stored_image(store: Datastore, image_id: str) -> Path:
    """The image of an id.

    Raises:
        BadInput: The id is a path.
        NotFound: There is no image of that id.
    """
    uri = store.get_image_uri(check_image_id(image_id))
    if not uri:
        raise NotFound(
            f"There is no image {image_id!r} in the datastore.",
            "GET /datastore/?output=all lists the images.",
        )
    return Path(uri)


def stored_label(store: Datastore, image_id: str, tag: str) -> Path:
    """The label of an image.

    Raises:
        BadInput: The id or the tag is a path.
        NotFound: It has no label of that tag.
    """
    uri = store.get_label_uri(image_id, check_tag(tag)) if stored_image(store, image_id) else ""
    if not uri:
        raise NotFound(
            f"The image {image_id!r} has no label {tag!r}.",
            "GET /datastore/?output=all lists the labels; label_tag names another.",
        )
    return Path(uri)


def session_image(sessions: Sessions | None, session_id: str) -> Path:
    """The image of a session: a file, or a folder of DICOM files.

    Raises:
        NotFound: There is no such session.
    """
    session = sessions.get_session(session_id) if sessions is not None else None
    if session is None:
        raise NotFound(
            f"There is no session {session_id[:40]!r}, or it has expired.",
            "Upload the volume again with PUT /session/.",
        )
    return Path(session.image)
