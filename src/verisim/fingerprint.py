"""What a data set looks like: sizes, spacings and intensities, from which a plan is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verisim.dataset import Case, Dataset
from verisim.errors import BadDataset, VerisimError
from verisim.preprocessing import check_finite, nonzero_box
from verisim.progress import SILENT, Progress
from verisim.volume import Array

ORIENTATION = "RAS"
"""How the axes X, Y, Z of a fingerprint point, and those of training."""

SAMPLES = 100_000_000
"""Foreground voxels that a channel's statistics are drawn from, in the whole data set."""

SEED = 1234
"""Of nnU-Net's draws: with its order of voxels, the same voxels are drawn."""

CHUNK = 1_000_000
"""Draws at a time, so that memory stays bounded."""

ENOUGH = 1000
"""Draws of every voxel, on average, beyond which all are simply counted alike."""


@dataclass(frozen=True)
class CaseSize:
    """The size of one case.

    Args:
        name: Of the case.
        spacing_mm: Millimetres per voxel along X, Y, Z.
        shape: Voxels along X, Y, Z after the border where every channel is zero was cut away.
        relative_size: Share of the voxels that this left.
    """

    name: str
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    relative_size: float


@dataclass(frozen=True)
class Intensities:
    """Statistics of one channel inside the labelled structures of a data set.

    Args:
        mean: Of the foreground voxels, every case counting alike.
        median: Likewise, as all that follow.
        std: Standard deviation.
        minimum: Smallest value.
        maximum: Largest value.
        low: 0.5th percentile.
        high: 99.5th percentile.
    """

    mean: float
    median: float
    std: float
    minimum: float
    maximum: float
    low: float
    high: float


@dataclass(frozen=True)
class Fingerprint:
    """All that a plan is made from (Isensee 2021).

    Args:
        data: Name of the data set.
        channels: Name of each input channel.
        labels: Name to value, background not listed.
        cases: Size of every case.
        intensities: Of each channel.
    """

    data: str
    channels: tuple[str, ...]
    labels: Mapping[str, int]
    cases: tuple[CaseSize, ...]
    intensities: tuple[Intensities, ...]

    @property
    def spacings_mm(self) -> npt.NDArray[np.float64]:
        """Spacing of every case, (N, 3)."""
        return np.array([case.spacing_mm for case in self.cases], dtype=np.float64)

    @property
    def shapes(self) -> npt.NDArray[np.float64]:
        """Shape of every case after cropping, (N, 3)."""
        return np.array([case.shape for case in self.cases], dtype=np.float64)

    @property
    def relative_size(self) -> float:
        """Median share of a volume that is left after cropping."""
        return float(np.median([case.relative_size for case in self.cases]))


def fingerprint_of(
    dataset: Dataset, split: str = "all", progress: Progress = SILENT
) -> Fingerprint:
    """Read every case once and note its size and the intensities of its labelled voxels.

    Args:
        dataset: Labelled cases.
        split: Which of them; nnU-Net looks at all.
        progress: Hears of every case.

    Raises:
        BadDataset: A case cannot be used (the message names it), or no case shows a label.
    """
    cases = dataset.split(split)
    draws = SAMPLES // len(cases)
    sizes, drawn = [], []
    for done, case in enumerate(cases):
        progress.advance(done, len(cases), case.name)
        size, tallies = _looked_at(case, dataset, draws)
        sizes.append(size)
        drawn.append(tallies)
    progress.advance(len(cases), len(cases))
    channels = [Tally.merged(of_channel) for of_channel in zip(*drawn, strict=True)]
    if not channels[0].counts.size:
        raise BadDataset(
            f"No case of {dataset.name} shows any of {', '.join(dataset.labels)}.",
            "Check that the label files belong to these images.",
        )
    statistics = tuple(tally.statistics() for tally in channels)
    return Fingerprint(dataset.name, dataset.channels, dataset.labels, tuple(sizes), statistics)


@dataclass(frozen=True, eq=False)
class Tally:
    """Intensities and how often each was drawn: large samples in little memory.

    Args:
        values: Different intensities, (N,) float32, ascending.
        counts: Draws of each, (N,).
    """

    values: Array
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, values: Array, counts: npt.NDArray[np.int64]) -> Tally:
        """The tally of values that may repeat."""
        different, place = np.unique(values, return_inverse=True)
        total = np.bincount(place.ravel(), weights=counts, minlength=different.size)
        return cls(different, total.astype(np.int64))

    @classmethod
    def merged(cls, tallies: tuple[Tally, ...]) -> Tally:
        """One tally of several cases."""
        values = np.concatenate([tally.values for tally in tallies])
        return cls.of(values, np.concatenate([tally.counts for tally in tallies]))

    def statistics(self) -> Intensities:
        """Mean, spread and percentiles of the draws."""
        values = self.values.astype(np.float64)
        mean = float(np.average(values, weights=self.counts))
        spread = float(np.sqrt(np.average((values - mean) ** 2, weights=self.counts)))
        low, median, high = (self._percentile(percent) for percent in (0.5, 50.0, 99.5))
        return Intensities(mean, median, spread, float(values[0]), float(values[-1]), low, high)

    def _percentile(self, percent: float) -> float:
        """Between the two draws that are nearest to the place, as numpy's percentile."""
        upto = np.cumsum(self.counts)
        place = (int(upto[-1]) - 1) * percent / 100
        below = int(np.floor(place))
        ranks = np.searchsorted(upto, [below, min(below + 1, int(upto[-1]) - 1)], side="right")
        first, second = (float(self.values[rank]) for rank in ranks)
        return first + (second - first) * (place - below)


def _looked_at(case: Case, dataset: Dataset, draws: int) -> tuple[CaseSize, tuple[Tally, ...]]:
    """Everything stays a view of the file's array: a CT of 512 × 512 × 700 is read once."""
    volume, label_map = case.pair(dataset.labels)
    try:
        check_finite(volume.array)
    except VerisimError as error:
        raise BadDataset(f"The case {case.name}: {error.message}", error.remedy) from error
    if volume.channels != len(dataset.channels):
        raise BadDataset(
            f"The case {case.name} has {volume.channels} channels, the data set "
            f"{len(dataset.channels)}.",
            "Correct the channels in dataset.json, or the files of the case.",
        )
    box = nonzero_box(volume)
    cropped = volume.cropped(box)
    turned = cropped.reoriented(ORIENTATION)
    share = float(np.prod(cropped.spatial_shape) / np.prod(volume.spatial_shape))
    size = CaseSize(case.name, turned.spacing_mm, turned.spatial_shape, share)
    channels = cropped.array if cropped.array.ndim == 4 else cropped.array[np.newaxis]
    return size, _drawn(channels, label_map.array[box] > 0, draws)


def _drawn(channels: Array, foreground: npt.NDArray[np.bool_], draws: int) -> tuple[Tally, ...]:
    """The intensities that nnU-Net draws: its arrays lie (Z, Y, X), so ours are transposed."""
    generator = np.random.RandomState(SEED)
    seen = foreground.T
    tallies = []
    for channel in channels:
        values = channel.T[seen].astype(np.float32)
        counts = _counts(values.size, draws, generator)
        drawn = counts > 0
        tallies.append(Tally.of(values[drawn], counts[drawn]))
    return tuple(tallies)


def _counts(size: int, draws: int, generator: np.random.RandomState) -> npt.NDArray[np.int64]:
    """How often each of `size` voxels is drawn, with replacement."""
    counts = np.zeros(size, np.int64)
    if not size:
        return counts
    if draws > ENOUGH * size:  # few cases: a draw would take long and tell nothing more
        return counts + draws // size
    step = max(CHUNK, size)
    for done in range(0, draws, step):
        indices = generator.randint(0, size, size=min(step, draws - done))
        counts += np.bincount(indices, minlength=size)
    return counts
