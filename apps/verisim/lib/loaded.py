"""Models that stay in memory between requests."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from weakref import WeakValueDictionary

import torch

from lib.models import Models
from verisim.card import ModelCard
from verisim.ensembles import segmenter_of
from verisim.maps import MapKind
from verisim.memory import free_bytes, needed_bytes, release
from verisim.networks.network import Network
from verisim.refinement import ClickNetwork
from verisim.rescue import AS_ASKED, Sparing
from verisim.sampling_wish import AS_ITS_CARD_SAYS, SamplingWish
from verisim.segmentation import Segmenter, load_network

logger = logging.getLogger(__name__)

PROCESSOR = "cpu"

Key = tuple[str, str]
"""Name of a model, and device."""


@dataclass(frozen=True)
class _Weights:
    """What tells the networks of one card from those of another."""

    sha256: str
    network: Network
    inputs: int
    classes: int
    members: int
    device: str


@dataclass(frozen=True)
class _Loaded:
    """A model that stays: the cards that it was made from, and the networks of all of them."""

    parts: tuple[ModelCard, ...]
    networks: tuple[torch.nn.Module, ...]


class LoadedModels:
    """The networks of models on devices: the model unused for longest is forgotten first.

    Networks are shared by all that need them: segmenters that mirror or not, that use smaller
    patches, ensembles and cascades of which they are a part. The memory of a network becomes free
    when no model that stays, and no segmenter in use, has it any more.

    Args:
        limit: How many models stay.
        models: Where a model finds the others that it names.
    """

    def __init__(self, limit: int, models: Models) -> None:
        self._limit = limit
        self._models = models
        self._staying: OrderedDict[Key, _Loaded] = OrderedDict()
        self._networks: WeakValueDictionary[_Weights, torch.nn.Module] = WeakValueDictionary()
        self._loading: WeakValueDictionary[_Weights, _Turn] = WeakValueDictionary()
        self._lock = threading.Lock()

    def segmenter(
        self,
        card: ModelCard,
        device: str,
        mirroring: bool | None = None,
        sparing: Sparing = AS_ASKED,
        maps: tuple[MapKind, ...] = (),
        wish: SamplingWish = AS_ITS_CARD_SAYS,
    ) -> Segmenter:
        """The model on the device, loaded at its first use.

        It is loaded anew when it, or a model that it names, has a newer version.

        Args:
            card: The model.
            device: Where to compute.
            mirroring: Whether to average over mirror images; None as the cards say.
            sparing: How memory is spared.
            maps: What is told of each voxel beside its label.
            wish: How diffusion models sample.

        Raises:
            NotFound: A model that the card names is not there.
        """
        parts = self._models.parts(card)
        self._forget_older((card.name, device), parts)
        used: list[torch.nn.Module] = []

        def shared(one: ModelCard, place: str) -> torch.nn.Module:
            used.append(self._network(one, place))
            return used[-1]

        folders = self._models.folders
        made = segmenter_of(
            card,
            device,
            mirroring,
            folders,
            sparing=sparing,
            networks=shared,
            maps=maps,
            wish=wish,
        )
        self._keep((card.name, device), _Loaded(parts, tuple(used)))
        return made

    def clicker(self, card: ModelCard) -> ClickNetwork:
        """The click network of a card, on the processor: clicks wait for no device.

        Args:
            card: Of the kind "refinement".
        """
        key = (card.name, PROCESSOR)
        self._forget_older(key, (card,))
        made = ClickNetwork(card, PROCESSOR, self._network)
        self._keep(key, _Loaded((card,), (self._network(card, PROCESSOR),)))
        return made

    def make_room(self, device: str, but: str) -> str | None:
        """Forget the model on a device that was unused for longest.

        Args:
            device: Where memory is short.
            but: The model that memory is wanted for, which stays.

        Returns:
            Name and version of the model that left; None when no other is there.
        """
        with self._lock:
            others = (key for key in self._staying if key[1] == device and key[0] != but)
            key = next(others, None)
            left = self._staying.pop(key).parts[0].title if key else None
        if left:
            release(device)
            logger.info("Memory of %s was short: %s left it.", device, left)
        return left

    def _network(self, card: ModelCard, device: str) -> torch.nn.Module:
        """The networks of one card, loaded by whoever asks first while others wait for them."""
        weights = _Weights(
            card.sha256, card.network, card.inputs, card.classes, card.members, device
        )
        with self._lock:
            turn = self._loading.get(weights) or _Turn()
            self._loading[weights] = turn
        with turn.lock:
            network = self._networks.get(weights)
            if network is None:
                self._make_room_for(card, device)
                network = load_network(card, device)
                self._networks[weights] = network
            return network

    def _make_room_for(self, card: ModelCard, device: str) -> None:
        wanted = needed_bytes(card, device)
        while free_bytes(device) < wanted and self.make_room(device, card.name):
            pass

    def _forget_older(self, key: Key, parts: tuple[ModelCard, ...]) -> None:
        """Free the old version of a model before the new one is loaded."""
        with self._lock:
            found = self._staying.get(key)
            if found is None or found.parts == parts:
                return
            del self._staying[key]
        del found
        release(key[1])

    def _keep(self, key: Key, loaded: _Loaded) -> None:
        with self._lock:
            self._staying[key] = loaded
            self._staying.move_to_end(key)
            surplus = len(self._staying) - self._limit
            left = [self._staying.popitem(last=False) for _ in range(surplus)]
        devices = {device for (_, device), _ in left}
        del left
        for device in devices:
            release(device)


class _Turn:
    """Whose turn it is to load a network."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
