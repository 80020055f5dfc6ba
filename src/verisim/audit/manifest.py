"""The list of everything that an audit let out together."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from verisim.audit.certificate import FileSeal
from verisim.audit.report import Strict
from verisim.errors import Unreleased

MANIFEST = "release.json"
"""Its file, written last: a folder that has it is whole."""


@dataclass(frozen=True)
class Manifest:
    """Everything that an audit let out together.

    Args:
        cases: Names of the cases.
        withheld: How many others stayed.
        files: All files beside the manifest itself.
        seal: SHA-256 of all else.
    """

    cases: tuple[str, ...]
    withheld: int
    files: tuple[FileSeal, ...]
    seal: str = ""

    __pydantic_config__: ClassVar[ConfigDict] = Strict

    def json(self) -> str:
        """All of it, for a file."""
        return ADAPTER.dump_json(self, indent=1).decode() + "\n"

    def sealed(self) -> Manifest:
        """The same with the seal of its own content."""
        told = ADAPTER.dump_python(self, mode="json") | {"seal": ""}
        content = json.dumps(told, sort_keys=True).encode()
        return ADAPTER.validate_python(told | {"seal": hashlib.sha256(content).hexdigest()})


ADAPTER = TypeAdapter(Manifest)


def parsed(text: bytes) -> Manifest:
    """A manifest from its JSON.

    Raises:
        Unreleased: It is none, or something in it was changed.
    """
    try:
        found = ADAPTER.validate_json(text)
    except ValidationError as error:
        raise Unreleased(f"{MANIFEST} is damaged.", "Release the cases again.") from error
    if found.sealed() != found or found.json().encode() != text:
        raise Unreleased(f"{MANIFEST} was changed.", "Release the cases again.")
    return found
