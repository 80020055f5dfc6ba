"""The measures that an audit takes unless it is told otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from verisim.audit.correlation import Correlation
from verisim.audit.laying import Laying
from verisim.audit.masks import MaskOverlap
from verisim.audit.measure import Measure, Scores
from verisim.audit.registered import Registered

CERTAIN = 6.0
"""Deviations above what training cases of other patients reach."""

QUIET = ("correlation", "texture", "warped texture", "recoloured texture", "turned part")
"""Measures that only speak when they are certain.

The other hippocampus of a scan is no copy, yet most of these find it more like than any stranger,
by up to 4.9 deviations (of 25 held-out patients with both sides); copies lie above 8. Below six
they say nothing, and the others, which do not know twins, put new patients in order: so
calibration holds, and a patient's other images are not called copies.
"""

BESIDES = ("embedding", "sscd", "dreamsim")
"""Networks that may be asked besides; they too speak only when they are certain. The embedding
took 61 other hippocampi of known scans for up to 2.7 deviations; nobody has measured the others.
"""


def certain(standardized: Scores, names: Sequence[str]) -> Scores:
    """Scores in deviations (N, M), with quiet measures far below all others unless certain.

    Args:
        standardized: In deviations from what is usual among training cases.
        names: Of the measures.
    """
    quiet = np.array([name in (*QUIET, *BESIDES) for name in names])
    # a measure that is asked alone must still put cases in order
    if quiet.all():
        return standardized
    said: Scores = np.where(quiet & (standardized < CERTAIN), -np.inf, standardized)
    return said


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
        Registered("recoloured texture", "recoloured", laying),
        Registered("turned part", "tile", laying),
        Registered("part", "part", laying),
        Registered("fine part", "detail", laying),
    )
    return (*images, MaskOverlap(device)) if masked else images
