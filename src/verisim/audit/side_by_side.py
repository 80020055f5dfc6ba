"""The closest pairs of an audit as volumes, for a viewer that shows them beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from verisim.audit.folder_audit import Audited
from verisim.audit.gallery import laid_pairs
from verisim.audit.heat_map import scaled
from verisim.files import nrrd
from verisim.files.atomic import make_folder
from verisim.volume import Volume

PARTS = ("synthetic", "training", "difference", "agreement")
"""Files of a pair; see `write_pairs`."""

MOST_PAIRS = 12
"""More than a person looks at."""


def write_pairs(folder: Path, audited: Audited, count: int = MOST_PAIRS) -> int:
    """Write the closest pairs, first those of the highest score; returns how many.

    Of pair number 1 the files are `1-synthetic.nrrd`, `1-training.nrrd`: the training case that
    is most alike, laid onto it; `1-difference.nrrd`: synthetic minus training; and
    `1-agreement.nrrd`: from 0, where they do not agree, to 1. All lie on the voxels of the audit.

    Args:
        folder: Empty, or made.
        audited: An audit, and what it looked at.
        count: Pairs at most.

    Raises:
        StorageFailed: The disk refused.
    """
    make_folder(folder)
    affine = np.diag([*(side or 1.0 for side in audited.spacing_mm), 1.0])
    pairs = laid_pairs(audited.report, audited.training, audited.synthetic, count)
    number = 0
    for number, (_, made, found) in enumerate(pairs, start=1):
        laid = scaled(found.laid[0], made[0])
        heat = found.heat.clip(0, 1)
        for part, array in zip(PARTS, (made[0], laid, made[0] - laid, heat), strict=True):
            volume = Volume(np.asarray(array, np.float32), affine)
            nrrd.write(folder / f"{number}-{part}.nrrd", volume)
    return number
