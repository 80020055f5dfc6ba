"""What a panel remembers, as text: in the scene for a case, in the settings for a computer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TypeVar

Kept = TypeVar("Kept")

MOST_SERVERS = 8


@dataclass(frozen=True)
class Servers:
    """The servers that this computer has spoken to.

    Args:
        recent: Addresses, the latest first.
    """

    recent: tuple[str, ...] = ("http://127.0.0.1:8000",)

    def with_latest(self, address: str) -> Servers:
        """One more in front, without doubles."""
        others = [known for known in self.recent if known != address]
        return replace(self, recent=(address, *others)[:MOST_SERVERS])


@dataclass(frozen=True)
class SegmentChoices:
    """What is chosen in the panel that segments; each field is a widget of this name."""

    model: str = ""
    other: str = ""
    samples: int = 5
    seed: int = 0


@dataclass(frozen=True)
class SynthesizeChoices:
    """What is chosen in the panel that makes cases; each field is a widget of this name."""

    model: str = ""
    count: int = 4
    seed: int = 0
    steps: int = 0
    attribute1: str = ""
    attribute2: str = ""
    attribute3: str = ""


@dataclass(frozen=True)
class AuditChoices:
    """What is chosen in the panel that audits; each field is a widget of this name."""

    training: str = ""
    heldOut: str = ""
    plants: int = 12
    standIn: bool = False
    images: bool = False


def written(parameters: object) -> str:
    """JSON of a frozen dataclass."""
    return json.dumps(asdict(parameters), sort_keys=True)


def read(kind: type[Kept], text: str) -> Kept:
    """The dataclass that was written; its defaults where the text lacks a field.

    Fields that are not known are ignored, so that an older panel opens a newer scene.

    Args:
        kind: A frozen dataclass with defaults.
        text: What `written` gave; anything else gives the defaults.
    """
    try:
        kept = json.loads(text or "{}")
    except ValueError:
        kept = {}
    known = {field.name for field in fields(kind)}
    values = kept.items() if isinstance(kept, dict) else ()
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values if k in known})


def tidy_address(text: str) -> str:
    """What the user meant: with a scheme, without spaces and the last slash."""
    address = text.strip()
    if address and "://" not in address:
        address = f"http://{address}"
    return address.rstrip("/")
