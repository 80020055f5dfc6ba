"""Segment a volume: preprocess, predict, postprocess, in that order and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from verisim.card import ModelCard
from verisim.errors import TooLarge, WrongChannels
from verisim.patches import predict
from verisim.postprocessing import keep_largest, label_map_like
from verisim.progress import SILENT, Progress
from verisim.volume import LabelMap, Volume, millimetres

UNLIKE_FACTOR = 1.5
"""A box this much larger or smaller than any in the training data is reported as unlike it."""


@dataclass(frozen=True)
class Segmentation:
    """The answer to a volume.

    Args:
        label_map: On the voxels of the input.
        certainty: Mean probability of the chosen label over its foreground, 0..1; 0 where nothing
            was found.
        seconds: Wall time of each stage.
        warnings: What the person should know before trusting it.
    """

    label_map: LabelMap
    certainty: float
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()

    @property
    def total_seconds(self) -> float:
        """Wall time from volume to label map."""
        return sum(self.seconds.values())


class Segmenter(Protocol):
    """Whatever turns a volume into a segmentation: one network, an ensemble, a diffusion model."""

    @property
    def card(self) -> ModelCard:
        """The model that answers."""

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        """Segment one volume."""


@dataclass(frozen=True)
class NetworkSegmenter:
    """One network, applied by sliding window.

    Args:
        card: The model.
        device: Where to compute, e.g. "cpu" or "cuda:0".
        network: Loaded from the card.
    """

    card: ModelCard
    device: str = "cpu"
    network: torch.nn.Module = field(init=False, repr=False)

    def __post_init__(self) -> None:
        network = self.card.load().to(self.device)
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch leaves it out of its overloads
        object.__setattr__(self, "network", network)

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        """Segment one volume.

        Args:
            volume: With as many channels as the card lists.
            progress: Hears of every patch; may cancel between two.

        Raises:
            WrongChannels: Another number of channels.
            UnsupportedVolume: NaN or infinite voxels.
            TooLarge: The volume does not fit into memory.
        """
        self._check_channels(volume)
        with _within_memory(volume, self.device):
            return self._segment(volume, progress)

    def _segment(self, volume: Volume, progress: Progress) -> Segmentation:
        clock = _Clock()
        prepared = self.card.preprocessing(volume)
        clock.lap("preprocessing")
        probabilities = predict(
            self.network, prepared.array, self.card.patch_size, progress, self.device
        )
        clock.lap("network")
        label_map, certainty = self._answer(prepared.new(probabilities), volume)
        clock.lap("postprocessing")
        warnings = (*unlike_training(self.card, prepared), *_nothing_found(label_map))
        return Segmentation(label_map, certainty, clock.laps, warnings)

    def _answer(self, probabilities: Volume, volume: Volume) -> tuple[LabelMap, float]:
        label_map, highest = label_map_like(probabilities, volume, self.card.labels)
        label_map = keep_largest(label_map, self.card.keep_largest)
        foreground = label_map.array > 0
        certainty = float(highest[foreground].mean()) if foreground.any() else 0.0
        return label_map, round(certainty, 4)

    def _check_channels(self, volume: Volume) -> None:
        wanted = len(self.card.channels)
        if volume.channels != wanted:
            raise WrongChannels(
                f"The volume has {volume.channels} channel(s), {self.card.title} wants {wanted}: "
                f"{', '.join(self.card.channels)}.",
                "Send the channels that the model was trained on, in this order.",
            )


def unlike_training(card: ModelCard, prepared: Volume) -> tuple[str, ...]:
    """A warning when the preprocessed volume's box is far from every box of the training data."""
    if card.training is None:
        return ()
    low, high = card.training.extent_mm
    extent = np.array(prepared.extent_mm)
    fits = (extent >= np.divide(low, UNLIKE_FACTOR)) & (extent <= np.multiply(high, UNLIKE_FACTOR))
    if fits.all():
        return ()
    return (
        f"This volume is unlike the training data: its box of {millimetres(extent)} mm lies "
        f"outside the {millimetres(low)} to {millimetres(high)} mm that {card.title} learned "
        "from. Crop it to the same anatomy before trusting the result.",
    )


@contextmanager
def _within_memory(volume: Volume, device: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        if device != "cpu":
            torch.cuda.empty_cache()
        raise TooLarge(
            f"A volume of {volume.spatial_shape} voxels and {millimetres(volume.extent_mm)} mm "
            f"does not fit into the memory of {device}.",
            "Crop it to the anatomy of interest, or use --device cpu.",
        ) from error


def _out_of_memory(error: Exception) -> bool:
    """On the processor torch says it with a plain RuntimeError."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(
        error
    )


def _nothing_found(label_map: LabelMap) -> tuple[str, ...]:
    absent = [name for name, ml in label_map.volumes_ml.items() if ml == 0]
    return (f"Nothing was found of: {', '.join(absent)}.",) if absent else ()


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(now - self._since, 4)
        self._since = now
