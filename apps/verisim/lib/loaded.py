"""Models that stay in memory between requests."""

from __future__ import annotations

import threading
from collections import OrderedDict

from verisim.card import ModelCard
from verisim.segmentation import NetworkSegmenter


class LoadedModels:
    """Segmenters by model and device: a few at most, the longest unused is let go first.

    Args:
        limit: How many are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._segmenters: OrderedDict[tuple[str, str], NetworkSegmenter] = OrderedDict()
        self._lock = threading.Lock()

    def segmenter(self, card: ModelCard, device: str) -> NetworkSegmenter:
        """The model on the device, loaded at its first use; an older version of it is let go."""
        key = (card.name, device)
        with self._lock:
            found = self._segmenters.pop(key, None)
            if found is None or found.card.sha256 != card.sha256:
                found = None  # frees the old version before the new one is loaded
                found = NetworkSegmenter(card, device)
            self._segmenters[key] = found
            while len(self._segmenters) > self._limit:
                self._segmenters.popitem(last=False)
            return found
