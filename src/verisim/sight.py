"""A volume as a network sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from verisim.card import ModelCard
from verisim.errors import WrongChannels
from verisim.memory import hand_back
from verisim.progress import SILENT, Part, Progress
from verisim.resampling import linear_by_row, slice_axis
from verisim.volume import Array, LabelMap, Volume, millimetres

UNLIKE_FACTOR = 1.5
"""A box this much larger or smaller than any in the training data is reported as unlike it."""

LARGE = 2**22
"""Voxels of a volume whose intermediate arrays would be missed."""


class _Answer(Protocol):
    @property
    def label_map(self) -> LabelMap: ...


FirstStage = Callable[[Volume, Progress], _Answer]
"""Of a cascade: whatever answers a volume with a label map."""


@dataclass(frozen=True)
class Seen:
    """A question as a network sees it.

    Args:
        turned: The volume with the network's axes.
        box: The part of it that is looked at.
        prepared: That part, preprocessed.
        warnings: What is odd about it.
        prior: What another model answered before, where sampling starts from that.
    """

    turned: Volume
    box: tuple[slice, slice, slice]
    prepared: Volume
    warnings: tuple[str, ...]
    prior: LabelMap | None = None

    def in_place(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Rows of whatever was found on the prepared voxels, (K, n, Y, Z), on those of the box."""
        slices = slice_axis(self.prepared.spacing_mm, self.turned.spacing_mm)
        wanted = [side.stop - side.start for side in self.box]
        return linear_by_row(blocks, self.prepared.spatial_shape[0], wanted, slices)


def look(
    card: ModelCard,
    volume: Volume,
    first_stage: FirstStage | None = None,
    progress: Progress = SILENT,
) -> Seen:
    """The volume as a card's network sees it; in a cascade after the first stage has answered."""
    turned = volume.reoriented(card.preprocessing.orientation or volume.orientation)
    prepared = card.preprocessing(turned)
    tidy(volume)
    if first_stage is not None:
        first = first_stage(volume, Part(progress, 0, 2, "stage"))
        prepared = _with_labels(prepared, first.label_map)
    return Seen(turned, card.preprocessing.box(turned), prepared, unlike_training(card, prepared))


def tidy(volume: Volume) -> None:
    """What a stage of a large volume freed is not kept while the next one takes its own."""
    if volume.array.size >= LARGE:
        hand_back("cpu")


def check_channels(card: ModelCard, volume: Volume) -> None:
    """Refuse a volume with other channels than a model learned from.

    Raises:
        WrongChannels: Says which channels are wanted.
    """
    wanted = len(card.channels)
    if volume.channels != wanted:
        raise WrongChannels(
            f"The volume has {volume.channels} channel(s), {card.title} wants {wanted}: "
            f"{', '.join(card.channels)}.",
            "Send the channels that the model was trained on, in this order.",
        )


def _with_labels(prepared: Volume, label_map: LabelMap) -> Volume:
    """The channels of a volume, and one more for each label: 1 inside, 0 outside."""
    placed = label_map.resampled_like(prepared)
    inside = [placed.binary(name).astype(np.float32) for name in placed.labels]
    return prepared.new(np.concatenate([prepared.array, np.stack(inside)]))


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
