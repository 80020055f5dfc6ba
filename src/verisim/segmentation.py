"""Segment a volume: preprocess, predict, postprocess, in that order and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Literal, Protocol

import torch

from verisim.card import ModelCard
from verisim.consensus import Sampled
from verisim.expectation import Expectation
from verisim.maps import MapKind, Maps
from verisim.memory import keep_freed, within_memory
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
from verisim.sight import Seen, check_channels, look, tidy
from verisim.volume import Array, LabelMap, Volume

PROBE_SIDE = 48
"""Voxels, about, along a side of the patch by which rounding is measured."""

LEARNING = 100
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
        expected_dice: Of each label that was found, what its probabilities let expect, corrected
            as its card says.
        warnings: What the person should know before trusting it.
        maps: Of each voxel, if the segmenter was made to tell them; not cleaned.
        sampled: What samples say beside their mean, which is the answer; None of one answer.
    """

    label_map: LabelMap
    certainty: float
    seconds: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    maps: Maps = field(default_factory=Maps)
    sampled: Sampled | None = None
    expected_dice: Mapping[str, float] = field(default_factory=dict)

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
        return look(self.card, volume, self.previous, progress)

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
        temperature = self.card.temperature
        return (softmax(logits, temperature) for logits in seen.in_place(blocks))

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


def finished(
    card: ModelCard,
    labelling: Labelling,
    volume: Volume,
    clock: Clock,
    warnings: tuple[str, ...],
) -> Segmentation:
    """The answer on the voxels of the question, cleaned as the card says."""
    tidy(volume)
    label_map = keep_largest(labelling.label_map, card.keep_largest, card.keep_largest_foreground)
    label_map = label_map.reoriented(volume.orientation)
    # turning back may move the affine by rounding: the place is that of the question
    label_map = label_map.new(label_map.array, volume.affine)
    maps = labelling.maps.placed_like(volume)
    clock.lap("postprocessing")
    certainty, warnings = round(labelling.certainty, 4), (*warnings, *nothing_found(label_map))
    expected = {
        name: card.expectations.get(name, Expectation())(one)
        for name, one in labelling.expected_dice.items()
        if not isnan(one)
    }
    return Segmentation(label_map, certainty, clock.laps, warnings, maps, expected_dice=expected)


def nothing_found(label_map: LabelMap) -> tuple[str, ...]:
    """A warning that names the labels without a voxel."""
    absent = [name for name, ml in label_map.volumes_ml.items() if ml == 0]
    return (f"Nothing was found of: {', '.join(absent)}.",) if absent else ()
