"""Segment a volume: preprocess, predict, postprocess, in that order and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch

from verisim.card import ModelCard
from verisim.errors import WrongChannels
from verisim.maps import MapKind, Maps
from verisim.memory import hand_back, keep_freed, within_memory
from verisim.networks.averaged import Average, Mirrored, SinglePrecision, Skipping
from verisim.patches import (
    MANY_PATCHES,
    OVERLAP,
    SPARSE_OVERLAP,
    importance,
    logits_by_row,
    number_of_patches,
)
from verisim.postprocessing import Labelling, keep_largest, softmax
from verisim.precision import Careful, laid_out, rounding
from verisim.progress import SILENT, Clock, Part, Progress
from verisim.resampling import linear_by_row, slice_axis
from verisim.volume import Array, LabelMap, Volume, millimetres

UNLIKE_FACTOR = 1.5
"""A box this much larger or smaller than any in the training data is reported as unlike it."""

LARGE = 2**22
"""Voxels of a volume whose intermediate arrays would be missed."""

PROBE_SIDE = 48
"""Voxels, about, along a side of the patch by which rounding is measured."""

LEARNING = 50
"""One patch of so many shows how far rounding moves a volume."""

Precision = Literal["auto", "single"]

Networks = Callable[[ModelCard, str], torch.nn.Module]
"""Where the networks of a card come from: loaded anew, or shared between segmenters."""


def load_network(card: ModelCard, device: str) -> torch.nn.Module:
    """The networks of a card on a device, without mirror images.

    Raises:
        NotFound: The weights are not beside the card.
        BadCard: The weights are not those that the card describes.
    """
    keep_freed()
    network = card.load().to(device)
    return laid_out(network, device)


@dataclass(frozen=True)
class Segmentation:
    """The answer to a volume.

    Args:
        label_map: On the voxels of the input.
        certainty: Mean probability of the chosen label over its foreground, 0..1; 0 where nothing
            was found.
        seconds: Wall time of each stage.
        warnings: What the person should know before trusting it.
        maps: Of each voxel, if the segmenter was made to tell them; not cleaned.
    """

    label_map: LabelMap
    certainty: float
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    maps: Maps = field(default_factory=Maps)

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
    """The networks of one card, applied by sliding window.

    Args:
        card: The model.
        device: Where to compute, e.g. "cpu" or "cuda:0".
        mirroring: Whether to average over mirror images; None as the card says.
        precision: "auto": bfloat16 where the processor multiplies it in hardware and rounding
            changes next to no label; "single": single precision everywhere, slower and the same
            on every machine.
        previous: The first stage of a cascade.
        alone: Whether small patches, too, go through the network one at a time.
        maps: What is told of each voxel beside its label.
        networks: Where the network comes from.
        network: The card's, wrapped by what it is asked for.
    """

    card: ModelCard
    device: str = "cpu"
    mirroring: bool | None = None
    precision: Precision = "auto"
    previous: Segmenter | None = None
    alone: bool = False
    maps: tuple[MapKind, ...] = ()
    networks: Networks = field(default=load_network, repr=False)
    network: torch.nn.Module = field(init=False, repr=False)

    def __post_init__(self) -> None:
        network = self.networks(self.card, self.device)
        wanted = self.card.mirroring if self.mirroring is None else self.mirroring
        axes = self.card.mirrored_axes if wanted else ()
        network = SinglePrecision(network) if self.precision == "single" else network
        object.__setattr__(self, "network", Mirrored(network, axes) if axes else network)

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        """Segment one volume.

        Args:
            volume: With as many channels as the card lists.
            progress: Hears of every patch; may cancel between two.

        Raises:
            WrongChannels: Another number of channels.
            UnsupportedVolume: NaN or infinite voxels.
            TooLarge: The volume does not fit into memory.
            StorageFailed: Maps that were asked for do not fit on the disk.
        """
        check_channels(self.card, volume)
        with within_memory(volume, self.device):
            clock = Clock()
            seen = self.look(volume, progress)
            clock.lap("preprocessing")
            labelling = Labelling(seen.turned, seen.box, self.card.labels, self.maps)
            for probabilities in self.probabilities(seen, progress):
                labelling.fill(probabilities)
            clock.lap("network")
            return finished(self.card, labelling, volume, clock, seen.warnings)

    def look(self, volume: Volume, progress: Progress = SILENT) -> Seen:
        """The volume as the network sees it; in a cascade after the first stage has answered."""
        turned = volume.reoriented(self.card.preprocessing.orientation or volume.orientation)
        prepared = self.card.preprocessing(turned)
        _tidy(volume)
        if self.previous is not None:
            first = self.previous(volume, Part(progress, 0, 2, "stage"))
            prepared = _with_labels(prepared, first.label_map)
        box = self.card.preprocessing.box(turned)
        return Seen(turned, box, prepared, unlike_training(self.card, prepared))

    def probabilities(self, seen: Seen, progress: Progress = SILENT) -> Iterator[Array]:
        """Probabilities (K, n, Y, Z) on the voxels of the box, the next n rows along X at a time.

        Memory never holds all classes of all voxels.
        """
        shape, size = seen.prepared.spatial_shape, self.card.patch_size
        if self.previous is not None:
            progress = Part(progress, 1, 2, "stage")
        sparse = bool(seen.warnings) and number_of_patches(shape, size) > MANY_PATCHES
        blocks = logits_by_row(
            _quick(self.network, self.card.classes)
            if sparse
            else self._careful(seen.prepared.channels, number_of_patches(shape, size)),
            seen.prepared.array,
            size,
            progress,
            self.device,
            SPARSE_OVERLAP if sparse else OVERLAP,
            self.alone,
        )
        slices = slice_axis(seen.prepared.spacing_mm, seen.turned.spacing_mm)
        wanted = [side.stop - side.start for side in seen.box]
        return (softmax(logits) for logits in linear_by_row(blocks, shape[0], wanted, slices))

    def _careful(self, channels: int, patches: int) -> torch.nn.Module:
        """The network for one volume: in reduced precision where no label depends on it."""
        if self.precision == "single":
            return self.network
        size = self.card.patch_size
        pairs = zip(size, self.card.network.divisor, strict=True)
        small = (min(side, max(PROBE_SIDE // d, 2) * d) for side, d in pairs)
        error = rounding(_unmirrored(self.network), (channels, *small), self.device)
        return Careful(self.network, error, importance(size), patches // LEARNING)


def _quick(network: torch.nn.Module, classes: int) -> torch.nn.Module:
    """One network without mirror images, for very many patches of what nobody trained it for."""
    plain = _unmirrored(network)
    return Skipping(plain.members[0] if isinstance(plain, Average) else plain, classes)


def _unmirrored(network: torch.nn.Module) -> torch.nn.Module:
    return network.network if isinstance(network, Mirrored) else network


@dataclass(frozen=True)
class Seen:
    """A question as a network sees it.

    Args:
        turned: The volume with the network's axes.
        box: The part of it that is looked at.
        prepared: That part, preprocessed.
        warnings: What is odd about it.
    """

    turned: Volume
    box: tuple[slice, slice, slice]
    prepared: Volume
    warnings: tuple[str, ...]


def finished(
    card: ModelCard,
    labelling: Labelling,
    volume: Volume,
    clock: Clock,
    warnings: tuple[str, ...],
) -> Segmentation:
    """The answer on the voxels of the question, cleaned as the card says."""
    _tidy(volume)
    label_map = keep_largest(labelling.label_map, card.keep_largest, card.keep_largest_foreground)
    label_map = label_map.reoriented(volume.orientation)
    # turning back may move the affine by rounding: the place is that of the question
    label_map = label_map.new(label_map.array, volume.affine)
    maps = labelling.maps.placed_like(volume)
    clock.lap("postprocessing")
    certainty, warnings = round(labelling.certainty, 4), (*warnings, *_nothing_found(label_map))
    return Segmentation(label_map, certainty, clock.laps, warnings, maps)


def _tidy(volume: Volume) -> None:
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


def _nothing_found(label_map: LabelMap) -> tuple[str, ...]:
    absent = [name for name, ml in label_map.volumes_ml.items() if ml == 0]
    return (f"Nothing was found of: {', '.join(absent)}.",) if absent else ()
