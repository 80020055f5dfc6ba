"""Models that stay in memory between requests."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from lib.models import Models
from verisim.card import ModelCard
from verisim.ensembles import segmenter_of
from verisim.segmentation import Segmenter

Key = tuple[str, str, bool | None]
"""Name, device, and whether mirror images are averaged; None for as the card says."""


@dataclass(frozen=True)
class _Loaded:
    """A segmenter, and the cards that it was made from."""

    parts: tuple[ModelCard, ...]
    segmenter: Segmenter


class LoadedModels:
    """Segmenters by model, device and mirroring: the longest unused is let go first.

    Args:
        limit: How many are kept.
        models: Where a model finds the others that it names.
    """

    def __init__(self, limit: int, models: Models) -> None:
        self._limit = limit
        self._models = models
        self._loaded: OrderedDict[Key, _Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def segmenter(self, card: ModelCard, device: str, mirroring: bool | None = None) -> Segmenter:
        """The model on the device, loaded at its first use.

        It is loaded anew when it, or a model that it names, has a newer version.

        Raises:
            NotFound: A model that the card names is not there.
        """
        key = (card.name, device, mirroring)
        parts = self._models.parts(card)
        with self._lock:
            found = self._loaded.pop(key, None)
            if found is None or found.parts != parts:
                found = None  # frees the old version before the new one is loaded
                made = segmenter_of(card, device, mirroring, self._models.folders)
                found = _Loaded(parts, made)
            self._loaded[key] = found
            while len(self._loaded) > self._limit:
                self._loaded.popitem(last=False)
            return found.segmenter
