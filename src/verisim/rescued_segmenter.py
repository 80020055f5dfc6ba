"""A segmenter for one volume after the other that answers also where memory is short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from verisim.card import ModelCard
from verisim.ensembles import segmenter_of
from verisim.installed import find_card, parts_of
from verisim.maps import MapKind
from verisim.memory import ran_out, release
from verisim.progress import SILENT, Progress
from verisim.rescue import Attempt, segment_within
from verisim.sampling_wish import AS_ITS_CARD_SAYS, SamplingWish
from verisim.segmentation import Networks, Precision, Segmentation, Segmenter, load_network
from verisim.volume import Volume


@dataclass(frozen=True)
class RescuedSegmenter:
    """Segments as asked; a volume for which memory is short, with less (see `segment_within`).

    Every volume begins as asked, so what one of them took changes nothing for the next. Networks
    are loaded once, when the segmenter is made, or when memory allows.

    Args:
        card: The model.
        device: Where it is asked for.
        mirroring: Whether to average over mirror images; None as the card says.
        folders: Where the models lie that the card names, besides its own folder.
        precision: See `NetworkSegmenter`.
        maps: What is told of each voxel beside its label.
        wish: How diffusion models sample.
        networks: Where the networks come from.

    Raises:
        NotFound: A model that the card names, or the weights of one, are not there.
        BadCard: The models do not fit together, or weights are not those of their card.
    """

    card: ModelCard
    device: str = "cpu"
    mirroring: bool | None = None
    folders: Sequence[Path] = ()
    precision: Precision = "auto"
    maps: tuple[MapKind, ...] = ()
    wish: SamplingWish = AS_ITS_CARD_SAYS
    networks: Networks = field(default=load_network, repr=False)
    _loaded: dict[tuple[Path, str], torch.nn.Module] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        try:
            self._made(Attempt(self.device))
        except (RuntimeError, MemoryError, OSError) as error:
            if not ran_out(error):
                raise
        else:
            return
        release(self.device)  # out of that block, the error and what it holds are gone

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        """Segment one volume; its warnings say what was done for lack of memory.

        Args:
            volume: With as many channels as the card lists.
            progress: Hears of every patch, and never of less than before; may cancel between two.

        Raises:
            VerisimError: It cannot be answered; the class says why.
        """
        parts = parts_of(self.card, lambda name: find_card(name, *self.folders, self.card.folder))
        answering = [part for part in parts if not part.ensemble]
        rescued = segment_within(self._made, answering, volume, self.device, progress)
        return rescued.segmentation

    def _made(self, attempt: Attempt) -> Segmenter:
        return segmenter_of(
            self.card,
            attempt.device,
            self.mirroring,
            self.folders,
            self.precision,
            attempt.sparing,
            self._network,
            self.maps,
            self.wish,
        )

    def _network(self, card: ModelCard, device: str) -> torch.nn.Module:
        """The network of a card; smaller patches go through the same one."""
        key = card.weights_path, device
        if key not in self._loaded:
            self._loaded[key] = self.networks(card, device)
        return self._loaded[key]
