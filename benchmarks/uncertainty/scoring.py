"""One segmentation beside its truth: overlap, calibration, and doubt where the errors are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verisim.metrics import (
    Interval,
    calibration_error,
    dice,
    error_auroc,
    region_of_interest,
)
from verisim.segmentation import Segmentation
from verisim.volume import Array, LabelMap


@dataclass(frozen=True)
class Score:
    """Figures of one case.

    Args:
        case: Its name.
        subject: Whose body it is.
        dice: Mean over the labels that the truth has.
        calibration_error: Of the chosen label's probability in the region of interest.
        entropy_auroc: How the uncertainty map ranks the errors there.
        vote_auroc: How the share of samples that disagree with the answer ranks them; nan of one.
        agreement: Mean Dice of each two samples; nan where there are none.
        certainty: Mean probability of the chosen label over the foreground.
        seconds: From volume to label map.
        evaluations: Of the network, each for one sample of one patch; 0 where nothing is sampled.
    """

    case: str
    subject: str
    dice: float
    calibration_error: float
    entropy_auroc: float
    vote_auroc: float
    agreement: float
    certainty: float
    seconds: float
    evaluations: int


def score(case: str, subject: str, answer: Segmentation, truth: LabelMap) -> Score:
    """The figures of an answer that was made to tell its maps and to keep its samples."""
    found = answer.label_map
    region = region_of_interest(found.array > 0, truth.array > 0, found.spacing_mm)
    wrong = (found.array != truth.array)[region]
    sampled = answer.sampled
    return Score(
        case=case,
        subject=subject,
        dice=mean_dice(found, truth),
        calibration_error=calibration_error(confidence(answer)[region], ~wrong),
        entropy_auroc=error_auroc(uncertainty(answer)[region], wrong),
        vote_auroc=error_auroc(disagreement(found, sampled.label_maps)[region], wrong)
        if sampled and len(sampled.label_maps) > 1
        else float("nan"),
        agreement=sampled.agreement if sampled else float("nan"),
        certainty=answer.certainty,
        seconds=answer.total_seconds,
        evaluations=sampled.evaluations if sampled else 0,
    )


def mean_dice(found: LabelMap, truth: LabelMap) -> float:
    """Mean over the labels that either has."""
    scores = [dice(found.binary(name), truth.binary(name)) for name in truth.labels]
    return float(np.nanmean(scores))


def confidence(answer: Segmentation) -> Array:
    """Probability of the chosen label of each voxel."""
    labels = [one.values for one in answer.maps.probability.values()]
    background = 1 - np.sum(labels, axis=0)
    classes = np.stack([background, *labels])
    chosen: Array = np.take_along_axis(classes, answer.label_map.array[None].astype(int), 0)[0]
    return np.clip(chosen, 0, 1)


def uncertainty(answer: Segmentation) -> Array:
    """Entropy of the mean probabilities of each voxel."""
    assert answer.maps.uncertainty is not None, "the map was asked for"
    return answer.maps.uncertainty.values


def disagreement(answer: LabelMap, samples: Sequence[LabelMap]) -> Array:
    """Share of the samples that call a voxel something else than the answer."""
    different: Array = np.mean([one.array != answer.array for one in samples], axis=0)
    return different


def shown_interval(interval: Interval, style: str) -> str:
    """A mean and its bounds in a format such as ".3f", for a table."""
    low, high = (format(bound, style) for bound in (interval.low, interval.high))
    return f"{interval.mean:{style}} ({low} to {high})"
