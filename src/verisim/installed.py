"""Which models there are: the newest version of each, by the cards in some folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from verisim.card import ModelCard, read_card
from verisim.errors import NotFound

SHIPPED_MODELS = Path(__file__).parent / "models"
"""The folder of the models that come with the package."""


def find_cards(*folders: Path) -> dict[str, ModelCard]:
    """The newest version of every model in some folders; a later folder wins a tie."""
    return {name: read_card(path) for name, path in newest_paths(folders).items()}


def next_version(name: str, *folders: Path) -> int:
    """Of a model, after the newest in some folders; 1 of a new one."""
    present = find_cards(*folders).get(name)
    return present.version + 1 if present else 1


def find_card(name: str, *folders: Path) -> ModelCard:
    """The newest version of one model; a broken card of another does not matter.

    Raises:
        NotFound: No folder holds it; the message lists those that exist.
    """
    newest = newest_paths(folders)
    if name not in newest:
        raise unknown_model(name, newest)
    return read_card(newest[name])


def unknown_model(name: str, known: Iterable[str]) -> NotFound:
    """The error that lists the models that exist."""
    return NotFound(
        f"There is no model named {name!r}.",
        f"Choose one of: {', '.join(sorted(known)) or 'none installed'}.",
    )


def newest_paths(folders: Iterable[Path]) -> dict[str, Path]:
    """The card's file of each model, by the names of the files alone."""
    found: dict[str, tuple[int, Path]] = {}
    for path in (p for folder in folders for p in folder.glob("*.toml")):
        if (parts := re.fullmatch(r"(.+)-v(\d+)\.toml", path.name)) is None:
            continue
        name, version = parts.group(1), int(parts.group(2))
        if name not in found or version >= found[name][0]:
            found[name] = version, path
    return {name: path for name, (_, path) in found.items()}


def parts_of(card: ModelCard, find: Callable[[str], ModelCard]) -> tuple[ModelCard, ...]:
    """A model and all that it needs: those of an ensemble, a cascade's first stage, an anchor.

    Args:
        card: The model.
        find: The newest version of a model by its name.

    Raises:
        NotFound: One of them is not there.
        BadCard: The card of one of them cannot be read.
    """
    found = [card]
    for one in found:  # grows on the way
        anchor = one.sampling.anchor if one.sampling else ""
        named = [find(name) for name in (*one.ensemble, one.previous, anchor) if name]
        found += [part for part in named if part not in found]
    return tuple(found)
