"""The two sides of one scan: no copies, yet more like than strangers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from copies.material import Split
from verisim.audit.collection import Collection


def first_sides(cases: Collection) -> list[int]:
    """Rows of the first case of each patient who has several."""
    whose = cases.patients
    return [k for k, p in enumerate(whose) if whose.count(p) > 1 and whose.index(p) == k]


def held_out_twins(split: Split) -> tuple[Collection, Collection]:
    """Training cases with the second sides of held-out patients, and these patients' first sides.

    Which measures know twins is read off these: none of them is in the control, whose twins are
    training cases.
    """
    training, real = split.training, split.held_out
    first = first_sides(real)
    patients = {real.patients[k] for k in first}
    second = [k for k, p in enumerate(real.patients) if p in patients and k not in first]
    return _beside(training, real.subset(second)), real.subset(first)


def _beside(one: Collection, other: Collection) -> Collection:
    masks = None
    if one.masks is not None and other.masks is not None:
        masks = np.concatenate([one.masks, other.masks])
    return replace(
        one,
        names=one.names + other.names,
        patients=one.patients + other.patients,
        strata=one.strata + other.strata,
        digests=one.digests + other.digests,
        images=np.concatenate([one.images, other.images]),
        masks=masks,
    )
