"""Segment a volume by diffusion: several samples, their mean, and what they disagree on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from verisim.card import ModelCard
from verisim.consensus import Consensus, Prior, compared
from verisim.diffusion import Sampling
from verisim.errors import BadCard
from verisim.fusion import staple
from verisim.maps import MapKind
from verisim.memory import within_memory
from verisim.networks.averaged import Average
from verisim.networks.mask_sampler import SMALLEST, MaskSampler
from verisim.patches import (
    MANY_PATCHES,
    OVERLAP,
    SPARSE_OVERLAP,
    PlacedNetwork,
    logits_by_row,
    number_of_patches,
)
from verisim.postprocessing import Labelling, softmax, tempered
from verisim.progress import SILENT, Clock, Part, Progress
from verisim.segmentation import (
    Networks,
    Precision,
    Segmentation,
    Segmenter,
    finished,
    load_network,
)
from verisim.sight import Seen, check_channels, look
from verisim.volume import Array, LabelMap, Volume


@dataclass(frozen=True)
class DiffusionSegmenter:
    """MedSegDiff's network, asked for as many masks as its card says (Wu 2022).

    Args:
        card: The model; its `sampling` says how many samples, and in how many steps.
        device: Where to compute, e.g. "cpu" or "cuda:0".
        mirroring: Whether samples take turns among the mirror images of the volume; None as the
            card says.
        precision: "auto": bfloat16 where the processor multiplies it in hardware; "single": the
            same answer on every machine.
        previous: The first stage of a cascade.
        anchor: Answers first, with probabilities; samples start from what it says.
        alone: Whether small patches, too, are sampled one at a time.
        maps: What is told of each voxel beside its label, from the mean of the samples.
        kept: Whether the samples' label maps are wanted.
        networks: Where the network comes from.
        members: The card's networks, each asked for its share of the samples.
    """

    card: ModelCard
    device: str = "cpu"
    mirroring: bool | None = None
    precision: Precision = "auto"
    previous: Segmenter | None = None
    alone: bool = False
    maps: tuple[MapKind, ...] = ()
    kept: bool = False
    anchor: Segmenter | None = None
    networks: Networks = field(default=load_network, repr=False)
    members: tuple[MaskSampler, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        network = self.networks(self.card, self.device)
        found = list(network.members) if isinstance(network, Average) else [network]
        samplers = [one for one in found if isinstance(one, MaskSampler)]
        if len(samplers) != len(found):
            raise BadCard(f"{self.card.title} is no diffusion model.", "Segment with its network.")
        shares = shared_among(self._sampling, len(samplers))
        wanted = self.card.mirroring if self.mirroring is None else self.mirroring
        axes = self.card.mirrored_axes if wanted else ()
        asked = (one.asked(share, axes) for one, share in zip(samplers, shares, strict=True))
        object.__setattr__(self, "members", tuple(asked))

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        """Segment one volume.

        Args:
            volume: With as many channels as the card lists.
            progress: Hears of every step; may cancel between two.

        Raises:
            WrongChannels: Another number of channels.
            UnsupportedVolume: NaN or infinite voxels.
            TooLarge: The volume does not fit into memory.
            StorageFailed: Maps that were asked for do not fit on the disk.
            Diverged: A step gave numbers that are none.
        """
        check_channels(self.card, volume)
        with within_memory(volume, self.device):
            clock = Clock()
            seen = self.look(volume, progress)
            clock.lap("preprocessing")
            labels, by_staple = self.card.labels, self._sampling.fusion == "staple"
            labelling = Labelling(seen.turned, seen.box, labels, self.maps)
            consensus = Consensus(
                seen.turned, seen.box, labels, self._samples_in_all, self.kept or by_staple
            )
            drawing = self._drawing()
            for probabilities in self._samples(drawing, seen, progress):
                labelling.fill(self._mean(probabilities))
                consensus.fill(probabilities)
            clock.lap("network")
            answer = finished(self.card, labelling, volume, clock, seen.warnings)
            sampled = consensus.sampled(drawing.evaluations).placed_like(volume)
            if by_staple:
                label_map = staple(sampled.label_maps, answer.label_map)
                answer = replace(answer, label_map=label_map)
            kept = sampled.label_maps if self.kept else ()
            prior = self._prior(seen, answer.label_map)
            return replace(answer, sampled=replace(sampled, label_maps=kept, prior=prior))

    def look(self, volume: Volume, progress: Progress = SILENT) -> Seen:
        """The volume as the network sees it; in a cascade after the first stage has answered."""
        seen = look(self.card, volume, self.previous, progress)
        if self.anchor is None:
            return seen
        answer = self.anchor(volume, Part(progress, 0, 2, "stage"))
        believed = [
            Volume(one.values, one.affine).resampled_like(seen.prepared).array
            for one in answer.maps.probability.values()
        ]
        array = np.concatenate([seen.prepared.array, np.stack(believed)])
        return replace(seen, prepared=seen.prepared.new(array), prior=answer.label_map)

    def _prior(self, seen: Seen, answer: LabelMap) -> Prior | None:
        if self.anchor is None or seen.prior is None:
            return None
        return compared(self.anchor.card.title, seen.prior, answer)

    def probabilities(self, seen: Seen, progress: Progress = SILENT) -> Iterator[Array]:
        """Mean probabilities (K, n, Y, Z) on the voxels of the box, the next n rows at a time."""
        samples = self._samples(self._drawing(), seen, progress)
        return (self._mean(probabilities) for probabilities in samples)

    def _mean(self, samples: Array) -> Array:
        """Probabilities (K, n, Y, Z) of the answer."""
        mean: Array = samples.mean(axis=0)
        return tempered(mean, self.card.temperature)

    def _samples(self, drawing: _Drawing, seen: Seen, progress: Progress) -> Iterator[Array]:
        """Probabilities (S, K, n, Y, Z) of each sample, the next n rows at a time."""
        shape, size = seen.prepared.spatial_shape, self.card.patch_size
        if self.previous is not None or self.anchor is not None:
            progress = Part(progress, 1, 2, "stage")
        sparse = bool(seen.warnings) and number_of_patches(shape, size) > MANY_PATCHES
        overlap = SPARSE_OVERLAP if sparse else OVERLAP
        blocks = logits_by_row(
            PlacedNetwork(drawing),
            seen.prepared.array,
            size,
            progress,
            self.device,
            overlap,
            self.alone,
        )
        for rows in seen.in_place(blocks):
            yield softmax(rows.reshape(self._samples_in_all, -1, *rows.shape[1:]))

    def _drawing(self) -> _Drawing:
        return _Drawing(self.members, self.precision == "single")

    @property
    def _sampling(self) -> Sampling:
        return self.card.sampling or Sampling()

    @property
    def _samples_in_all(self) -> int:
        return sum(one.sampling.samples for one in self.members)


def shared_among(sampling: Sampling, members: int) -> list[Sampling]:
    """How each of several networks samples, so that all are asked, and equally often."""
    samples = max(sampling.samples, members)
    shares = (samples // members + (k < samples % members) for k in range(members))
    return [replace(sampling, samples=share) for share in shares]


@dataclass
class _Drawing:
    """Asks for the samples of patches, and counts how often the network was asked.

    Args:
        members: The networks.
        exact: Whether in single precision.
        evaluations: So far.
    """

    members: tuple[MaskSampler, ...]
    exact: bool
    evaluations: int = 0

    def __call__(
        self, patches: Tensor, starts: Sequence[Sequence[int]], progress: Progress
    ) -> Tensor:
        """Logits of all samples as channels, (B, S times K, X, Y, Z)."""
        single = torch.autocast(patches.device.type, enabled=False)
        with single if self.exact else nullcontext():
            drawn = [
                one.samples(patches, starts, Part(progress, k, len(self.members), "network"))
                for k, one in enumerate(self.members)
            ]
        self.evaluations += sum(one.evaluations for one in drawn)
        probabilities = torch.cat([one.probabilities for one in drawn], dim=1)
        return probabilities.clamp(min=SMALLEST).log().flatten(1, 2)
