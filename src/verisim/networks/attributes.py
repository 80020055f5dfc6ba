"""What may be asked of a new case beside its labels: classes such as its size or its side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import ConfigDict
from torch import Tensor

from verisim.errors import BadCard, BadInput

NAME = r"[A-Za-z][A-Za-z0-9_ -]{0,39}"
"""What an attribute may be called; `--attribute NAME=VALUE` needs names without an equals sign."""


@dataclass(frozen=True)
class Attribute:
    """One thing that is told of a case in a word.

    Args:
        name: What it is called, e.g. "size".
        values: What it may be; of each case it is one of them, or unknown.
        centres: For each value the quantiles of intensity (V, Q) that are typical of it, where
            images themselves tell it; empty where a person does.

    Raises:
        BadCard: The name is none, or there is nothing to choose from.
    """

    name: str
    values: tuple[str, ...]
    centres: tuple[tuple[float, ...], ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise BadCard(
                f"{self.name!r} cannot name an attribute.",
                "Use at most 40 letters, digits, dashes, underscores and spaces, a letter first.",
            )
        if len(self.values) < 2 or len(set(self.values)) < len(self.values) or "" in self.values:
            raise BadCard(
                f"The attribute {self.name!r} has the values {list(self.values)}.",
                "Give it two different ones at least; an empty one means unknown.",
            )
        if self.centres and len(self.centres) != len(self.values):
            raise BadCard(
                f"The attribute {self.name!r} has {len(self.values)} values and "
                f"{len(self.centres)} centres.",
                "Give each value a centre, or none.",
            )

    @property
    def title(self) -> str:
        """Name and values, as people read them."""
        return f"{self.name} ({', '.join(self.values)})"


def check_attributes(attributes: Sequence[Attribute]) -> None:
    """Refuse two attributes of one name.

    Raises:
        BadCard: There are two.
    """
    names = [one.name for one in attributes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadCard(f"The attribute {twice[0]!r} is there twice.", "Give each its own name.")


def channels_of(attributes: Sequence[Attribute]) -> int:
    """A, the channels that tell attributes: one a value."""
    return sum(len(one.values) for one in attributes)


def told(attributes: Sequence[Attribute], known: Mapping[str, str]) -> Tensor:
    """What is known of a case, for a network: a 1 at the value of each attribute.

    Args:
        attributes: What the network knows of.
        known: Name to value; what is not listed is unknown.

    Returns:
        (A,), A values of all attributes one behind the other; zeros where nothing is known.

    Raises:
        BadInput: It knows no such attribute, or no such value.
    """
    for name, value in known.items():
        _check(attributes, name, value)
    ones = [known.get(one.name) == value for one in attributes for value in one.values]
    return torch.tensor(ones, dtype=torch.float32)


def beside(condition: Tensor, attributes: Tensor) -> Tensor:
    """A condition with attributes as its last channels, each the same everywhere.

    Args:
        condition: (B, K, X, Y, Z).
        attributes: (B, A), see `told`.

    Returns:
        (B, K + A, X, Y, Z).
    """
    spread = attributes.to(condition)[:, :, None, None, None]
    return torch.cat([condition, spread.expand(-1, -1, *condition.shape[2:])], dim=1)


def _check(attributes: Sequence[Attribute], name: str, value: str) -> None:
    found = next((one for one in attributes if one.name == name), None)
    titles = "; ".join(one.title for one in attributes)
    if found is None:
        raise BadInput(
            f"The model knows no attribute {name!r}.",
            f"Ask for: {titles}." if titles else "It was trained without any: ask for none.",
        )
    if value not in found.values:
        raise BadInput(
            f"The model knows no {name} {value!r}.", f"Ask for: {', '.join(found.values)}."
        )
