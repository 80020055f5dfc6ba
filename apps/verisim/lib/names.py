"""Names that clients may give to images, labels and files: never a way out of a folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

from verisim.errors import BadInput

PLAIN = re.compile(r"\w[\w .+=@(),~#-]{0,199}")
TAG = re.compile(r"\w[\w-]{0,63}")

LONGEST = 200
"""Bytes of a name: disks take 255, and a suffix comes behind it."""


def check_image_id(image_id: str) -> str:
    """The id, if it is a plain name.

    Raises:
        BadInput: It is a path, holds "..", or characters that no file name should have.
    """
    if not _is_plain(image_id):
        raise BadInput(
            f"{image_id[:80]!r} is no id of an image.",
            "Use an id of the datastore: letters, digits, spaces and .+-_=@(),~# without slashes.",
        )
    return image_id


def check_tag(tag: str) -> str:
    """The label's tag, if it is a plain word.

    Raises:
        BadInput: It is not.
    """
    if not TAG.fullmatch(tag) or len(tag.encode()) > LONGEST:
        raise BadInput(
            f"{tag[:80]!r} is no tag of a label.", "Use letters, digits and dashes, e.g. final."
        )
    return tag


def file_name(sent: str | None, default: str) -> str:
    """The last part of a path that a client sent as a file's name, or else the default."""
    name = PurePosixPath(PureWindowsPath(sent or "").name).name
    return name if _is_plain(name) else default


def _is_plain(name: str) -> bool:
    return bool(PLAIN.fullmatch(name)) and ".." not in name and len(name.encode()) <= LONGEST
