"""The models that the server offers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from verisim.card import ModelCard, read_card
from verisim.errors import VerisimError
from verisim.installed import newest_paths, parts_of, unknown_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Read:
    """What a card's file held when it was last looked into.

    Args:
        stamp: When the file was written, in nanoseconds.
        card: What it says, or why it cannot be read.
    """

    stamp: int
    card: ModelCard | VerisimError


class Models:
    """The newest version of every model in some folders.

    A model that is trained, imported or copied there while the server runs is offered from the
    next request on; a card that cannot be read hides no other. Each look lists the folders, and
    only cards that changed are read again.
    """

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self._cards: dict[Path, _Read] = {}
        self._held = threading.local()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside the block this thread sees the folders as they are at its beginning.

        Whoever asks for many models then lists the folders once.
        """
        self._held.cards = self._listed()
        try:
            yield
        finally:
            del self._held.cards

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all models that segment and whose card can be read, sorted."""
        return self._of_kind("segmentation")

    @property
    def makers(self) -> tuple[str, ...]:
        """Names of all models that make cases, sorted."""
        return self._of_kind("synthesis")

    def _of_kind(self, kind: str) -> tuple[str, ...]:
        current = self._current()
        found = (
            n for n, card in current.items() if isinstance(card, ModelCard) and card.kind == kind
        )
        return tuple(sorted(found))

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """All cards that can be read."""
        return tuple(one for one in self._current().values() if isinstance(one, ModelCard))

    @property
    def trainable(self) -> tuple[str, ...]:
        """Names of the models that have networks of their own, and no first stage, sorted."""
        current = self._current()
        return tuple(n for n in self.names if _stands_alone(current.get(n)))

    def card(self, name: str) -> ModelCard:
        """The newest version of one model.

        Raises:
            NotFound: No such model; the remedy lists those that exist.
            BadCard: Its card cannot be read.
        """
        cards = self._current()
        found = cards.get(name)
        if found is None:
            raise unknown_model(name, cards)
        if isinstance(found, VerisimError):
            raise type(found)(found.message, found.remedy)
        return found

    def taken(self, name: str) -> bool:
        """Whether a model has that name, be its card readable or not."""
        return name in self._current()

    def parts(self, card: ModelCard) -> tuple[ModelCard, ...]:
        """A model and all that it needs: those of an ensemble, the first stage of a cascade.

        Raises:
            NotFound: One of them is not there.
            BadCard: The card of one of them cannot be read.
        """
        return parts_of(card, self.card)

    def _current(self) -> dict[str, ModelCard | VerisimError]:
        held: dict[str, ModelCard | VerisimError] | None = getattr(self._held, "cards", None)
        return self._listed() if held is None else held

    def _listed(self) -> dict[str, ModelCard | VerisimError]:
        before, read = self._cards, {}
        current: dict[str, ModelCard | VerisimError] = {}
        for name, path in newest_paths(self.folders).items():
            try:
                stamp = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue  # deleted a moment ago
            known = before.get(path)
            read[path] = known if known and known.stamp == stamp else _read(path, stamp)
            current[name] = read[path].card
        self._cards = read
        return current


def _stands_alone(card: ModelCard | VerisimError | None) -> bool:
    return isinstance(card, ModelCard) and not (card.ensemble or card.previous)


def _read(path: Path, stamp: int) -> _Read:
    try:
        return _Read(stamp, read_card(path))
    except VerisimError as error:
        logger.warning("A model is not offered: %s", error)
        return _Read(stamp, error)
