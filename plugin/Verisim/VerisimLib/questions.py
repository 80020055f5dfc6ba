"""What is asked of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Question:
    """What is asked of a model about a volume.

    Args:
        model: Its name.
        settings: By name, such as samples, steps and seed.
        outputs: label, probability, uncertainty, samples.
    """

    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[str] = ("label", "uncertainty", "probability")


class Placed(Protocol):
    """A click: a place in mm (RAS), a label, and whether it belongs to it."""

    place: tuple[float, float, float]
    label: str
    belongs: bool


@dataclass(frozen=True)
class Refinement:
    """What clicks ask of a model.

    Args:
        model: Its name.
        upload: Id of the volume.
        settings: As the segmentation was asked for.
        clicks: All of them.
    """

    model: str
    upload: str
    settings: Mapping[str, Any]
    clicks: Sequence[Placed]
