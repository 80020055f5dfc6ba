"""How many copies an audit finds: measured on training cases that are changed and planted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from verisim.audit.findings import Recall
from verisim.audit.measure import Scores
from verisim.audit.set_test import proportion


def recall_of(
    kind: str,
    scores: Scores,
    thresholds: Scores,
    copy_thresholds: Scores,
    named: npt.NDArray[np.bool_],
    least: float,
) -> Recall:
    """The recall of one kind of copies.

    Args:
        kind: What was done to training cases.
        scores: Of the copies, combined.
        thresholds: Of their groups, at the audit's level.
        copy_thresholds: Of their groups, beyond what chance explains.
        named: Where the nearest training case is of the patient that was copied.
        least: With less found, the kind is a blind spot.
    """
    found = scores > thresholds
    share = proportion(int(found.sum()), len(scores))
    return Recall(
        kind,
        len(scores),
        int(found.sum()),
        share.mean,
        share.low,
        share.high,
        int((scores > copy_thresholds).sum()),
        int(named.sum()),
        blind=share.mean < least,
    )


def lowest_recall(recalls: Sequence[Recall], *, copies: bool = False) -> float:
    """Lower bound of the recall of all kinds that are no blind spot, planted in equal parts.

    Args:
        recalls: Kind by kind.
        copies: Count only those beyond what chance explains.
    """
    seen = [one for one in recalls if not one.blind]
    planted = sum(one.planted for one in seen)
    found = sum(one.blocked if copies else one.found for one in seen)
    return proportion(found, planted).low if planted else 0.0
