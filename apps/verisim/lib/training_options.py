"""What a client may ask of a fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from verisim.card import ModelCard
from verisim.errors import BadInput
from verisim.training.loop import Schedule

LONGEST_MEMORY = 0.998
"""Decay of the averaged weights in a long training; a short one forgets sooner."""


def _first(choice: object) -> object:
    """Stock clients send a list of choices back as they got it: the first is the default."""
    return choice[0] if isinstance(choice, list) and choice else choice


class TrainingOptions(BaseModel, frozen=True, allow_inf_nan=False):
    """How long and how fast; what a stock client sends besides is ignored."""

    max_epochs: Annotated[int, Field(ge=1, le=1000)] = 20
    iterations_per_epoch: Annotated[int, Field(ge=1, le=10_000)] = 50
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-4
    val_split: Annotated[float, Field(ge=0.05, le=0.5)] = 0.2
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: Annotated[str, BeforeValidator(_first)] = "auto"
    subject_pattern: Annotated[str, Field(max_length=200)] = ""

    @classmethod
    def asked_for(cls, request: Mapping[str, Any]) -> TrainingOptions:
        """The options of a request.

        Raises:
            BadInput: One is of the wrong type or out of bounds; the message names it.
        """
        try:
            return cls.model_validate(dict(request))
        except ValidationError as error:
            first = error.errors()[0]
            raise BadInput(
                f"{first['loc'][0]}={first['input']!r} cannot be used for training: "
                f"{first['msg'].lower()}.",
                f"The bounds are: {cls.bounds()[str(first['loc'][0])]}.",
            ) from error

    @classmethod
    def bounds(cls) -> dict[str, dict[str, Any]]:
        """Type and limits of each option, as JSON Schema says them."""
        properties = cls.model_json_schema()["properties"]
        return {
            name: {key: said for key, said in option.items() if key not in ("title", "default")}
            for name, option in properties.items()
        }

    def schedule(self, card: ModelCard) -> Schedule:
        """The schedule, with batches as large as those the card was trained with."""
        iterations = self.max_epochs * self.iterations_per_epoch
        return Schedule(
            iterations=iterations,
            batch_size=card.training.batch_size if card.training else Schedule.batch_size,
            learning_rate=self.learning_rate,
            warm_up=min(Schedule.warm_up, 1 + iterations // 10),
            moving_average=max(0.0, min(LONGEST_MEMORY, 1 - 10 / iterations)),
            validate_every=self.iterations_per_epoch,
            seed=self.seed,
        )
