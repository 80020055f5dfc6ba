"""Averaging over mirror images: what models do unless asked, and what may be asked of them."""

from __future__ import annotations

from collections.abc import Sequence

from verisim.card import ModelCard
from verisim.errors import BadInput


def by_default(parts: Sequence[ModelCard]) -> bool:
    """Whether some of the networks that answer together average over mirror images."""
    return any(part.mirroring and part.mirrored_axes for part in _networks(parts))


def mirrored_axes(parts: Sequence[ModelCard]) -> list[int]:
    """Axes along which some of the networks can be mirrored."""
    return sorted({axis for part in _networks(parts) for axis in part.mirrored_axes})


def checked_wish(parts: Sequence[ModelCard], wish: bool | None) -> bool | None:
    """The wish, or None where the models do so anyway: they need not be loaded twice.

    Args:
        parts: The model that is asked, then those that it names.
        wish: Whether to average; None as the cards say.

    Raises:
        BadInput: Mirror images are wished of a model that never saw any.
    """
    if wish and not mirrored_axes(parts):
        raise BadInput(
            f"{parts[0].title} did not learn from mirror images, so mirror=true would harm it.",
            "Leave the parameter mirror out.",
        )
    usual = [part.mirroring for part in _networks(parts) if part.mirrored_axes]
    return None if all(usually == wish for usually in usual) else wish


def _networks(parts: Sequence[ModelCard]) -> list[ModelCard]:
    return [part for part in parts if not part.ensemble]
