"""How far what a model expects of its answers is from what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verisim.dataset import Dataset
from verisim.degraded import degraded
from verisim.evaluation import under_model_names
from verisim.expectation import Expectation, fitted
from verisim.metrics import dice
from verisim.progress import SILENT, Progress
from verisim.segmentation import Segmenter
from verisim.volume import LabelMap


@dataclass(frozen=True)
class Expected:
    """Expected and true Dice of one label, one a volume; nan where there is none.

    Args:
        expected: As the probabilities let expect.
        true: Beside the truth.
    """

    expected: tuple[float, ...]
    true: tuple[float, ...]

    @property
    def line(self) -> Expectation:
        """What corrects it."""
        return fitted(self.expected, self.true)

    def error(self, line: Expectation | None = None) -> float:
        """Mean distance of the expected Dice, corrected or not, from the true one."""
        told = self.expected if line is None else [line(one) for one in self.expected]
        return float(np.nanmean(np.abs(np.subtract(told, self.true))))


def expected_of(
    segmenter: Segmenter, dataset: Dataset, split: str, progress: Progress = SILENT
) -> dict[str, Expected]:
    """Ask about every case of a split, and about noisier and coarser copies of it.

    Args:
        segmenter: Of a card that corrects nothing.
        dataset: Whose cases the model did not learn from.
        split: Which of them.
        progress: Hears of every case.

    Raises:
        BadDataset: The data set has other labels than the model.
    """
    truth_labels = under_model_names(segmenter.card, dataset)
    names = [name for name in segmenter.card.labels if name in truth_labels]
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    cases = dataset.split(split)
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), case.name)
        volume, truth = case.pair(truth_labels)
        for copy in [volume, *(copy for _, copy in degraded(volume, missing=False))]:
            answer = segmenter(copy)
            for name in names:
                expected = answer.expected_dice.get(name, float("nan"))
                pairs[name].append((expected, _dice(answer.label_map, truth, name)))
    progress.advance(len(cases), len(cases), "done")
    return {name: Expected(*zip(*found, strict=True)) for name, found in pairs.items()}


def _dice(answer: LabelMap, truth: LabelMap, name: str) -> float:
    return dice(answer.binary(name), truth.binary(name))


def told(found: Mapping[str, Expected]) -> Sequence[str]:
    """What the correction does, a sentence a label."""
    return [
        f"{name}: the expected Dice is off by {one.error(one.line):.3f} instead of "
        f"{one.error():.3f} on {len(one.true)} volumes"
        for name, one in found.items()
    ]
