"""Bytes that are sent piece by piece, so that a person sees how far they are and can stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from VerisimLib.problems import Stopped

PIECE = 1 << 20
"""Bytes that are sent or read at once; smaller ones cost a turn of the event loop each."""


Part = tuple[str, tuple[Optional[str], Any]]
"""Of a form: its name, the name of its file, and its content."""


class Pieces:
    """Bytes in pieces, which `requests` sends with their length.

    Args:
        content: All of it.
        stopped: Asked before each piece.
        show: Is told the percentage that has gone.
    """

    def __init__(
        self, content: bytes, stopped: Callable[[], bool], show: Callable[[float], None]
    ) -> None:
        self.content, self.stopped, self.show = content, stopped, show

    def __len__(self) -> int:
        return len(self.content)

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), PIECE):
            if self.stopped():
                raise Stopped()
            yield self.content[start : start + PIECE]
            self.show(100 * min(1.0, (start + PIECE) / len(self.content)))


@dataclass(frozen=True)
class Body:
    """What goes along with a request: an object, or files, or bytes.

    Args:
        json: An object.
        files: Parts of a form: the name of each, the name of its file and its content.
        data: Bytes in pieces.
    """

    json: Mapping[str, Any] | None = None
    files: Sequence[Part] | None = None
    data: Pieces | None = None


NOTHING = Body()
"""Of a request that only asks."""


def parts_of(
    params: Mapping[str, Any], files: Sequence[tuple[str, bytes]], part: str
) -> list[Part]:
    """Parts of a form: the parameters as JSON, then the files under one name."""
    told: list[Part] = [("params", (None, json.dumps(params)))]
    return told + [(part, (name, content)) for name, content in files]
