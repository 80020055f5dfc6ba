"""The models that the server offers."""

from __future__ import annotations

from pathlib import Path

from verisim.card import ModelCard
from verisim.installed import find_cards, unknown_model


class Models:
    """The newest version of every model in some folders.

    A version that a training writes while the server runs is offered from the next request on.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._stamp: tuple[tuple[str, int], ...] = ()
        self._cards: dict[str, ModelCard] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all models, sorted."""
        return tuple(sorted(self._current()))

    def card(self, name: str) -> ModelCard:
        """The newest version of one model.

        Raises:
            NotFound: No such model; the remedy lists those that exist.
        """
        cards = self._current()
        if name not in cards:
            raise unknown_model(name, cards)
        return cards[name]

    def _current(self) -> dict[str, ModelCard]:
        paths = sorted(path for folder in self._folders for path in folder.glob("*.toml"))
        stamp = tuple((str(path), path.stat().st_mtime_ns) for path in paths)
        if stamp != self._stamp or not self._cards:
            self._cards = find_cards(*self._folders)
            self._stamp = stamp
        return self._cards
