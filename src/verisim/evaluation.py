"""How good a model is on cases whose truth is known, with intervals over subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from verisim.card import ModelCard
from verisim.dataset import Case, Dataset
from verisim.errors import BadDataset, heard_warnings
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
        warnings: What the readers and the segmenter said about it.
    """

    case: str
    subject: str
    seconds: float
    agreements: tuple[Agreement, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelSummary:
    """One label over all cases; each interval is a 95 % bootstrap over subjects.

    A case in which neither truth nor prediction has the label counts for nothing; one in which
    only one has it makes the mean Hausdorff distance infinite.
    """

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
    mean_seconds: float
    labels: tuple[LabelSummary, ...]
    cases: tuple[CaseScore, ...]
    warnings: tuple[str, ...] = ()


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
    truth = under_model_names(segmenter.card, dataset)
    compared = [name for name in segmenter.card.labels if name in truth]
    cases = dataset.split(split)
    scores = []
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), case.name)
        scores.append(_score(segmenter, case, truth, tolerance_mm))
    progress.advance(len(cases), len(cases), "done")
    return Evaluation(
        model=segmenter.card.title,
        dataset=dataset.name,
        split=split,
        subjects=len({score.subject for score in scores}),
        tolerance_mm=tolerance_mm,
        mean_seconds=float(np.mean([score.seconds for score in scores])),
        labels=tuple(_summary(label, scores) for label in compared),
        cases=tuple(scores),
        warnings=(*_not_compared(segmenter.card.labels, truth), *_drawn(dataset, split)),
    )


def _drawn(dataset: Dataset, split: str) -> tuple[str, ...]:
    if not dataset.drawn or split == "all":
        return ()
    return (
        f"{dataset.name} has no splits.json: {split!r} was drawn by subject with a fixed seed. "
        "Choose --split all for a data set that the model has never seen.",
    )


def _score(
    segmenter: Segmenter, case: Case, labels: Mapping[str, int], tolerance_mm: float
) -> CaseScore:
    with heard_warnings() as heard:
        volume, truth = case.pair(labels)
    segmentation = segmenter(volume)
    shared = {name: v for name, v in labels.items() if name in segmenter.card.labels}
    agreements = compare(segmentation.label_map, replace(truth, labels=shared), tolerance_mm)
    return CaseScore(
        case=case.name,
        subject=case.subject,
        seconds=segmentation.total_seconds,
        agreements=agreements,
        warnings=(*heard, *segmentation.warnings),
    )


def _summary(label: str, scores: Sequence[CaseScore]) -> LabelSummary:
    rows = [next(a for a in score.agreements if a.label == label) for score in scores]
    subjects = [score.subject for score in scores]
    return LabelSummary(
        label=label,
        dice=bootstrap_mean([row.dice for row in rows], subjects),
        hausdorff95_mm=bootstrap_mean([row.hausdorff95_mm for row in rows], subjects),
        surface_dice=bootstrap_mean([row.surface_dice for row in rows], subjects),
    )


def under_model_names(card: ModelCard, dataset: Dataset) -> dict[str, int]:
    """The truth's labels, unnamed ones ("label_1") under the model's name of the same value.

    Raises:
        BadDataset: Not one label is the model's.
    """
    labels = dict(dataset.labels)
    if all(name == f"label_{value}" for name, value in labels.items()):
        names = {value: name for name, value in card.labels.items()}
        labels = {names.get(value, name): value for name, value in labels.items()}
    written = {name.lower(): name for name in card.labels}  # nnU-Net keeps capitals
    labels = {written.get(name.lower(), name): value for name, value in labels.items()}
    if not labels.keys() & card.labels.keys():
        raise BadDataset(
            f"{dataset.name} has the labels {', '.join(dataset.labels)}; {card.title} segments "
            f"{', '.join(card.labels)}.",
            "Evaluate a model that was made for these labels.",
        )
    return labels


def _not_compared(of_model: Mapping[str, int], of_truth: Mapping[str, int]) -> tuple[str, ...]:
    alone = [name for name in (*of_model, *of_truth) if (name in of_model) != (name in of_truth)]
    listed = f"Only the model or only the data set has: {', '.join(alone)}; not compared."
    return (listed,) if alone else ()
