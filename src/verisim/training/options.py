"""What a client may ask of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from verisim.card import ModelCard
from verisim.errors import BadInput
from verisim.subjects import FOLDS
from verisim.training.kinds import NetworkKind
from verisim.training.schedule import Schedule

LONGEST = 7 * 24 * 60
"""Minutes that a training may take: a week."""

Part = Literal["none", "0", "1", "2", "3", "4", "all"]
"""A fold that validates; all: five networks, one a fold; none: a share of the subjects."""

Mirrored = Literal["xyz", "xy", "xz", "yz", "x", "y", "z", "none"]
"""Axes that augmentation mirrors."""


def _first(choice: object) -> object:
    """Stock clients send a list of choices back as they got it: the first is the default."""
    return choice[0] if isinstance(choice, list) and choice else choice


def _word(choice: object) -> object:
    """A fold is a word or a number."""
    first = _first(choice)
    return str(first) if isinstance(first, int) else first


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
    def asked_for(cls, request: Mapping[str, Any]) -> Self:
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
        batch_size = card.training.batch_size if card.training else Schedule.batch_size
        return self.lasting(batch_size)

    def lasting(self, batch_size: int) -> Schedule:
        """The schedule of all epochs, for batches of a size."""
        schedule = Schedule(
            batch_size=batch_size, learning_rate=self.learning_rate, seed=self.seed
        )
        return schedule.lasting(self.max_epochs * self.iterations_per_epoch, self.max_epochs)


class NewModelOptions(TrainingOptions, frozen=True, allow_inf_nan=False):
    """What a new model is called, what it learns from, and for how long."""

    name: Annotated[str, Field(max_length=60)] = ""
    description: Annotated[str, Field(max_length=500)] = ""
    labels: Annotated[str, Field(max_length=2000)] = ""
    channel: Annotated[str, Field(min_length=1, max_length=60)] = "image"
    network: Annotated[NetworkKind, BeforeValidator(_first)] = "unet"
    plan: Annotated[Literal["auto"], BeforeValidator(_first)] = "auto"
    fold: Annotated[Part, BeforeValidator(_word)] = "none"
    mirror: Annotated[Mirrored, BeforeValidator(_first)] = "xyz"
    minutes: Annotated[float, Field(ge=0, le=LONGEST)] = 0.0
    max_epochs: Annotated[int, Field(ge=1, le=10_000)] = 80
    iterations_per_epoch: Annotated[int, Field(ge=1, le=10_000)] = 100
    learning_rate: Annotated[float, Field(gt=0, le=1)] = Schedule.learning_rate

    @property
    def networks(self) -> int:
        """How many are trained."""
        return FOLDS if self.fold == "all" else 1

    @property
    def fewest_subjects(self) -> int:
        """Without which the cases cannot be split."""
        return 2 if self.fold == "none" else FOLDS
