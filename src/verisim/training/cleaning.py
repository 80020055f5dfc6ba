"""Which components of an answer are kept: decided by cross-validation (Isensee 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verisim.postprocessing import keep_largest
from verisim.volume import Array, LabelMap


@dataclass(frozen=True)
class Cleaning:
    """What is removed from a label map.

    Args:
        foreground: Whether only the largest component of all labels together is kept.
        labels: Labels of which, after that, only the largest component is kept.
    """

    foreground: bool = False
    labels: tuple[str, ...] = ()

    def __call__(self, label_map: LabelMap) -> LabelMap:
        """The label map without what is removed."""
        return keep_largest(label_map, self.labels, self.foreground)


def choose_cleaning(score: Callable[[Cleaning], Array], labels: Sequence[str]) -> Cleaning:
    """The cleaning that helps on cases which the networks did not learn from.

    First the largest component of everything, then that of each label: each only where the mean
    Dice rises and no label's falls (Isensee 2021).

    Args:
        score: Dice (cases, labels) of all answers after a cleaning; nan where a label is in
            neither answer nor truth.
        labels: In the order of the scores.
    """
    chosen = Cleaning()
    best = _means(score(chosen))
    # with one label, its largest component is that of everything
    each = labels if len(labels) > 1 else ()
    steps = [replace(chosen, foreground=True), *(Cleaning(labels=(name,)) for name in each)]
    for step in steps:
        tried = Cleaning(chosen.foreground or step.foreground, (*chosen.labels, *step.labels))
        means = _means(score(tried))
        if means.mean() > best.mean() and (means >= best).all():
            chosen, best = tried, means
    return chosen


def _means(scores: Array) -> Array:
    """Mean over the cases for each label that occurs."""
    seen = scores[:, ~np.isnan(scores).all(axis=0)]
    means: Array = np.nanmean(seen, axis=0)
    return means
