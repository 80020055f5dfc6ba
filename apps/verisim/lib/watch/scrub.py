"""Texts without the places of files: a path may name a patient, and is nobody's matter outside."""

from __future__ import annotations

import re

HIDDEN = "…"

_ROUTES = (
    "activelearning|auth|batch|datastore|docs|health|infer|info|jobs|logs|metrics|model|ohif|proxy"
    "|scoring|session|static|train|uploads"
)
_FILE = r"nii\.gz|nii|nrrd|nhdr|mha|mhd|dcm|ima|safetensors|toml|json|zip|gz|pt|py|db|sqlite"
_START = rf"(?<![\w.:/<{HIDDEN}])(?:file://|~|[A-Za-z]:)?[/\\](?!(?:{_ROUTES})\b)(?=[\w.~+-])"
_PATH = re.compile(
    # in quotes to the closing one, for there may be blanks inside
    rf"(?<=')(?:~|[A-Za-z]:)?[/\\](?!(?:{_ROUTES})\b)[^'\n]+(?=')"
    rf"|(?<=\")(?:~|[A-Za-z]:)?[/\\](?!(?:{_ROUTES})\b)[^\"\n]+(?=\")"
    # else to the end of a file's name, or of the word
    rf"|{_START}[^'\"\n;:,]*?\.(?:{_FILE})\b|{_START}[^\s'\",;:)\]}}]*",
    re.IGNORECASE,
)


def without_paths(text: str) -> str:
    """The text with every absolute path replaced by "…"; addresses of routes stay."""
    return _PATH.sub(HIDDEN, text)


def without(text: str, *names: str) -> str:
    """The text without any of some names; also as a part of the name of a file."""
    for name in sorted(names, key=len, reverse=True):
        if len(name) > 1:
            text = text.replace(name, HIDDEN)
    return text
