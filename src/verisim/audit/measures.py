"""The measures that an audit takes unless it is told otherwise."""

from __future__ import annotations

from verisim.audit.correlation import Correlation
from verisim.audit.laying import Laying
from verisim.audit.masks import MaskOverlap
from verisim.audit.measure import Measure
from verisim.audit.registered import Registered


def default_measures(*, masked: bool = False, device: str = "cpu") -> tuple[Measure, ...]:
    """Measures that together find every planted kind.

    Args:
        masked: Whether the cases have label maps.
        device: Where to compute.
    """
    laying = Laying(device=device)
    images: tuple[Measure, ...] = (
        Correlation(device),
        Registered("texture", "whole", laying),
        Registered("warped texture", "bent", laying),
        Registered("part", "part", laying),
    )
    return (*images, MaskOverlap(device)) if masked else images
