"""How good a model is on cases whose truth is known, with intervals over subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from verisim.card import ModelCard
from verisim.dataset import Case, Dataset
from verisim.errors import BadDataset
from verisim.metrics import Agreement, Interval, bootstrap_mean, compare
from verisim.progress import SILENT, Progress
from verisim.segmentation import Segmenter


@dataclass(frozen=True)
class CaseScore:
    """One case compared with its truth.

    Args:
        case: Its name.
        subject: Whose body it is.
        seconds: From volume to label map.
        agreements: One a label.
    """

    case: str
    subject: str
    seconds: float
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True)
class LabelSummary:
    """One label over all cases; each interval is a 95 % bootstrap over subjects."""

    label: str
    dice: Interval
    hausdorff95_mm: Interval
    surface_dice: Interval


@dataclass(frozen=True)
class Evaluation:
    """A model on a split of a data set."""

    model: str
    dataset: str
    split: str
    subjects: int
    tolerance_mm: float
    labels: tuple[LabelSummary, ...]
    cases: tuple[CaseScore, ...]

    @property
    def mean_seconds(self) -> float:
        """Mean wall time per volume."""
        return float(np.mean([case.seconds for case in self.cases]))


def evaluate(
    segmenter: Segmenter,
    dataset: Dataset,
    split: str,
    tolerance_mm: float = 1.0,
    progress: Progress = SILENT,
) -> Evaluation:
    """Segment every case of a split and compare with the truth.

    Raises:
        BadDataset: The data set has other labels than the model.
    """
    labels = _matching_labels(segmenter.card, dataset)
    cases = dataset.split(split)
    scores = []
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), case.name)
        scores.append(_score(segmenter, case, labels, tolerance_mm))
    progress.advance(len(cases), len(cases), "done")
    return Evaluation(
        model=segmenter.card.title,
        dataset=dataset.name,
        split=split,
        subjects=len({score.subject for score in scores}),
        tolerance_mm=tolerance_mm,
        labels=tuple(_summary(label, scores) for label in labels),
        cases=tuple(scores),
    )


def _score(
    segmenter: Segmenter, case: Case, labels: dict[str, int], tolerance_mm: float
) -> CaseScore:
    segmentation = segmenter(case.volume())
    truth = case.label_map(labels)
    agreements = compare(segmentation.label_map, truth, tolerance_mm)
    return CaseScore(case.name, case.subject, segmentation.total_seconds, agreements)


def _summary(label: str, scores: Sequence[CaseScore]) -> LabelSummary:
    rows = [next(a for a in score.agreements if a.label == label) for score in scores]
    subjects = [score.subject for score in scores]
    return LabelSummary(
        label=label,
        dice=bootstrap_mean([row.dice for row in rows], subjects),
        hausdorff95_mm=bootstrap_mean([row.hausdorff95_mm for row in rows], subjects),
        surface_dice=bootstrap_mean([row.surface_dice for row in rows], subjects),
    )


def _matching_labels(card: ModelCard, dataset: Dataset) -> dict[str, int]:
    """The truth's labels under the model's names; unnamed ones ("label_1") go by value."""
    common = {name: value for name, value in dataset.labels.items() if name in card.labels}
    if common:
        return common
    unnamed = all(name == f"label_{value}" for name, value in dataset.labels.items())
    by_value = {n: v for n, v in card.labels.items() if v in dataset.labels.values()}
    if not (unnamed and by_value):
        raise BadDataset(
            f"{dataset.name} has the labels {', '.join(dataset.labels)}; {card.title} segments "
            f"{', '.join(card.labels)}.",
            "Evaluate a model that was made for these labels.",
        )
    return by_value
