"""What a person may wish of a diffusion model's samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from verisim.card import ModelCard
from verisim.diffusion.sampling import Fusion, Solver
from verisim.errors import BadInput


@dataclass(frozen=True)
class SamplingWish:
    """How a diffusion model is to sample; None as its card says.

    Args:
        samples: How many masks.
        steps: From noise to mask.
        solver: The sampler.
        fusion: How they become one label map.
        seed: Decides the noise.
        settled: When the mean has settled; see `Sampling`.
        anchor: Name of the model whose answer samples start from; empty: from noise.
        start: The time of that start.
        kept: Whether each sample's label map is wanted.
    """

    samples: int | None = None
    steps: int | None = None
    solver: Solver | None = None
    fusion: Fusion | None = None
    seed: int | None = None
    settled: float | None = None
    anchor: str | None = None
    start: float | None = None
    kept: bool = False

    def of(self, card: ModelCard) -> ModelCard:
        """The card with the wish; that of another network as it is.

        Raises:
            BadInput: The wish is out of bounds.
        """
        if card.sampling is None:
            return card
        return replace(card, sampling=replace(card.sampling, **self._given))

    def count(self, card: ModelCard) -> int:
        """How many masks the networks of a card then draw; none where it does not sample."""
        sampling = self.of(card).sampling
        return max(sampling.samples, card.members) if sampling else 0

    def check(self, parts: Sequence[ModelCard]) -> None:
        """Refuse a wish that none of the models can fulfil.

        Args:
            parts: The model that is asked, then those that it names.

        Raises:
            BadInput: It has no samples, or the wish is out of bounds.
        """
        sampling = [part for part in parts if part.sampling]
        for part in sampling:
            self.of(part)
        wished = [*self._given, *(["each sample"] if self.kept else [])]
        if wished and not sampling:
            raise BadInput(
                f"{parts[0].title} answers without samples, so {wished[0]} means nothing to it.",
                "Leave it out, or choose a diffusion model.",
            )
        if self.kept and not parts[0].sampling:
            raise BadInput(
                f"{parts[0].title} joins several models and keeps no samples.",
                f"Ask {sampling[0].name} for them.",
            )

    @property
    def _given(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "samples": self.samples,
            "steps": self.steps,
            "solver": self.solver,
            "fusion": self.fusion,
            "seed": self.seed,
            "settled": self.settled,
            "anchor": self.anchor,
            "start": self.start,
        }
        return {name: given for name, given in fields.items() if given is not None}


AS_ITS_CARD_SAYS = SamplingWish()
"""No wish."""
