"""Models that answer together, and the segmenter that a card asks for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from verisim.card import ModelCard
from verisim.diffusion_segmenter import DiffusionSegmenter
from verisim.errors import BadCard
from verisim.installed import find_card
from verisim.maps import MapKind
from verisim.memory import within_memory
from verisim.postprocessing import Labelling, tempered
from verisim.progress import SILENT, Clock, Part, Progress
from verisim.rescue import AS_ASKED, Sparing
from verisim.sampling_wish import AS_ITS_CARD_SAYS, SamplingWish
from verisim.segmentation import (
    Networks,
    NetworkSegmenter,
    Precision,
    Segmentation,
    Segmenter,
    finished,
    load_network,
)
from verisim.sight import Seen, check_channels
from verisim.volume import Array, Volume

ROWS_AT_ONCE = 8
"""Rows of the averaged probabilities that are read back together."""

Member = NetworkSegmenter | DiffusionSegmenter
"""Whatever gives probabilities row by row."""


@dataclass(frozen=True)
class EnsembleSegmenter:
    """Models of different networks whose probabilities are averaged, each with its share.

    Args:
        card: Names the models; its labels are theirs.
        members: One segmenter each.
        maps: What is told of each voxel beside its label, from the mean.
    """

    card: ModelCard
    members: tuple[Member, ...]
    maps: tuple[MapKind, ...] = ()

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        """Segment one volume; see `NetworkSegmenter`."""
        check_channels(self.card, volume)
        with within_memory(volume, self.members[0].device), tempfile.TemporaryFile() as file:
            clock = Clock()
            turned = volume.reoriented(self.card.preprocessing.orientation or volume.orientation)
            shape = (self.card.classes, *turned.spatial_shape)
            # in a file without a name: memory never holds all classes of all voxels
            total = np.memmap(file, np.float16, "w+", shape=shape)
            warnings: list[str] = []
            for k, member in enumerate(self.members):
                part = Part(progress, k, len(self.members), "model")
                seen = member.look(volume, part)
                self._add(total, member, self._share(k), seen, part)
                warnings += [w for w in seen.warnings if w not in warnings]
            clock.lap("network")
            return finished(
                self.card, self._labelling(total, turned), volume, clock, tuple(warnings)
            )

    def _share(self, number: int) -> float:
        return self.card.shares[number] if self.card.shares else 1 / len(self.members)

    def _add(
        self, total: Array, member: Member, share: float, seen: Seen, progress: Progress
    ) -> None:
        """Add one model's share; where it does not look, it says background."""
        total[0] += np.float16(share)
        inside = total[(slice(None), *seen.box)]
        inside[0] -= np.float16(share)
        row = 0
        for probabilities in member.probabilities(seen, progress):
            following = row + probabilities.shape[1]
            inside[:, row:following] += (probabilities * share).astype(np.float16)
            row = following

    def _labelling(self, total: Array, turned: Volume) -> Labelling:
        x, y, z = (slice(0, n) for n in turned.spatial_shape)
        labelling = Labelling(turned, (x, y, z), self.card.labels, self.maps)
        for row in range(0, turned.spatial_shape[0], ROWS_AT_ONCE):
            rows = total[:, row : row + ROWS_AT_ONCE].astype(np.float32)
            labelling.fill(tempered(rows, self.card.temperature))
        return labelling


def segmenter_of(
    card: ModelCard,
    device: str = "cpu",
    mirroring: bool | None = None,
    folders: Sequence[Path] = (),
    precision: Precision = "auto",
    sparing: Sparing = AS_ASKED,
    networks: Networks = load_network,
    maps: tuple[MapKind, ...] = (),
    wish: SamplingWish = AS_ITS_CARD_SAYS,
) -> Segmenter:
    """The segmenter that a card asks for: its own networks, a cascade, or several models.

    Args:
        card: The model.
        device: Where to compute.
        mirroring: Whether to average over mirror images; None as the card says.
        folders: Where the models lie that the card names, besides its own folder.
        precision: See `NetworkSegmenter`.
        sparing: How memory is spared.
        networks: Where the networks come from.
        maps: What is told of each voxel beside its label.
        wish: How diffusion models sample.

    Raises:
        NotFound: A model that the card names is not installed.
        BadCard: The models of an ensemble do not fit together.
    """

    def named(name: str) -> ModelCard:
        return find_card(name, *folders, card.folder)

    def anchored(name: str) -> Segmenter | None:
        if not name:
            return None
        found = _anchor(card, named(name))
        tells: tuple[MapKind, ...] = ("probability",)
        return segmenter_of(found, device, mirroring, folders, precision, sparing, networks, tells)

    def stage(one: ModelCard, previous: Segmenter | None = None) -> Member:
        spared = wish.of(sparing.card(one))
        told = maps if one is card else ()  # of a first stage or a member only the labels matter
        asked = (spared, device, mirroring, precision, previous, sparing.alone, told)
        if one.sampling:
            kept = wish.kept and one is card
            anchor = anchored(spared.sampling.anchor) if spared.sampling else None
            return DiffusionSegmenter(*asked, kept, anchor, networks)
        return NetworkSegmenter(*asked, networks)

    def single(one: ModelCard) -> Member:
        if not one.previous:
            return stage(one)
        return stage(one, stage(_first_stage(one, named(one.previous))))

    if card.kind != "segmentation":
        raise BadCard(
            f"{card.title} is for {card.kind} and segments nothing by itself.",
            "Choose a model that segments; `verisim models` lists them.",
        )
    if not card.ensemble:
        return single(card)
    # the mean has a temperature of its own, found for models as they are
    members = tuple(single(replace(named(name), temperature=1.0)) for name in card.ensemble)
    _check_fit(card, members)
    return EnsembleSegmenter(card, members, maps)


def _anchor(card: ModelCard, anchor: ModelCard) -> ModelCard:
    """The model whose answer samples start from, which has the same labels."""
    if anchor.sampling or list(anchor.labels) != list(card.labels):
        raise BadCard(
            f"{anchor.title} cannot be the anchor of {card.title}: it samples itself, or has "
            "other labels.",
            "Name a U-Net that was trained on the same data set.",
        )
    return anchor


def _first_stage(card: ModelCard, first: ModelCard) -> ModelCard:
    """The first stage of a cascade, which is one model by itself and has the same labels."""
    if first.previous or first.ensemble or dict(first.labels) != dict(card.labels):
        raise BadCard(
            f"{first.title} cannot be the first stage of {card.title}: it is made of several "
            "models, or has other labels.",
            "Name the model of low resolution that was trained on the same data set.",
        )
    return first


def _check_fit(card: ModelCard, members: Sequence[Member]) -> None:
    for member in members:
        same = (
            dict(member.card.labels) == dict(card.labels)
            and member.card.channels == card.channels
            and member.card.preprocessing.orientation == card.preprocessing.orientation
        )
        if not same:
            raise BadCard(
                f"{member.card.title} has other labels, channels or axes than {card.title}.",
                "Make ensembles of models that were trained on the same data set.",
            )
