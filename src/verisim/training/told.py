"""What a generator is told of the cases that it learns from, beside their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from verisim.card import ModelCard
from verisim.case_table import read_rows
from verisim.dataset import Dataset
from verisim.errors import BadDataset, BadInput
from verisim.networks.attributes import Attribute, told
from verisim.networks.case_diffusion import CaseGenerator
from verisim.networks.network import Diffusing, attributes_of
from verisim.networks.weights import fill, weights_of
from verisim.training.examples import Example
from verisim.training.families import FAMILY, MOST_FAMILIES, families_of, family_of

FEWEST_OF_A_VALUE = 5
"""Training cases: from fewer a network learns these cases in place of what they share."""

JOIN = "Join it with another value, or leave it empty, which means unknown."
"""What a person can do about a value of few cases."""


@dataclass(frozen=True)
class Told:
    """What is known of each case.

    Args:
        attributes: What is told at all.
        values: Name of a case to name of an attribute to value; what is not there is unknown.
    """

    attributes: tuple[Attribute, ...] = ()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, case: str) -> Tensor:
        """What is told of a case, (A,); see `verisim.networks.attributes.told`."""
        return told(self.attributes, self.values.get(case, {}))

    def beside(self, other: Told) -> Told:
        """What this and another tell."""
        cases = sorted(self.values.keys() | other.values.keys())
        values = {k: {**self.values.get(k, {}), **other.values.get(k, {})} for k in cases}
        return Told(self.attributes + other.attributes, values)


NOTHING = Told()
"""A training without attributes."""


@dataclass(frozen=True)
class Telling:
    """Where attributes come from.

    Args:
        table: CSV file with the column case and one for each attribute; None: nobody tells any.
        families: In so many groups of alike intensities the cases are put; 0: in none.

    Raises:
        BadInput: So many groups are none, or too many.
    """

    table: Path | None = None
    families: int = 0

    def __post_init__(self) -> None:
        if self.families and not 2 <= self.families <= MOST_FAMILIES:
            raise BadInput(
                f"Cases cannot be put in {self.families} intensity families.",
                f"Ask for 2 to {MOST_FAMILIES}.",
            )

    def check(self, card: ModelCard) -> None:
        """Refuse to tell what cannot hear.

        Raises:
            BadInput: There are attributes, and the model is of a kind that takes none.
        """
        if (self.table or self.families) and not isinstance(card.network, Diffusing):
            raise BadInput(
                f"{card.name} is no diffusion model, and others cannot be told attributes.",
                "Leave out --attributes and --intensity-families, or take --network diffusion.",
            )

    def by_hand(self, dataset: Dataset, teaching: str, choosing: str) -> Told:
        """What the table tells.

        Args:
            dataset: The cases.
            teaching: The split that is learned from.
            choosing: The split that chooses the best weights.

        Raises:
            NotFound: There is no such table.
            BadDataset: It names a case that is not there, or an attribute or a value that cannot
                be learned.
        """
        if self.table is None:
            return NOTHING
        values = _read(self.table, [case.name for case in dataset.cases])
        names = list(dict.fromkeys(name for known in values.values() for name in known))
        if self.families and FAMILY in names:
            raise BadDataset(
                f"{self.table} has a column {FAMILY!r}, as the intensity families are called.",
                "Rename the column, or leave out --intensity-families.",
            )
        learned = [values[one.name] for one in dataset.split(teaching) if one.name in values]
        seen = [values[one.name] for one in dataset.split(choosing) if one.name in values]
        for name in names:
            _check(f"{self.table}: ", name, _column(learned, name), _column(seen, name), JOIN)
        attributes = tuple(Attribute(name, _values(_column(learned, name))) for name in names)
        return Told(attributes, values)

    def by_images(self, teaching: Sequence[Example], choosing: Sequence[Example]) -> Told:
        """The intensity family of each case; the families are those of the cases that teach.

        Raises:
            BadDataset: A family is too small to learn from.
        """
        if not self.families:
            return NOTHING
        attribute = families_of([one.image for one in teaching], self.families)
        values = {one.name: family_of(attribute, one.image) for one in (*teaching, *choosing)}
        learned = [values[one.name] for one in teaching]
        _check("", FAMILY, learned, [], "Ask for fewer --intensity-families.")
        return Told((attribute,), {name: {FAMILY: value} for name, value in values.items()})


UNTOLD = Telling()
"""From nowhere."""


def knowing(card: ModelCard, attributes: tuple[Attribute, ...]) -> ModelCard:
    """A diffusion model that can be told these attributes, and no others; another as it is."""
    if not isinstance(card.network, Diffusing):
        return card
    return replace(card, network=replace(card.network, attributes=attributes))


def continued(card: ModelCard, network: CaseGenerator) -> None:
    """Fill a network with a model's weights; attributes that the model did not know say nothing.

    Args:
        card: The model.
        network: Of the same shape, but for its attributes.
    """
    weights = weights_of(card.load())
    if attributes_of(card.network) != network.plan.attributes:
        silent = {k: one for k, one in weights_of(network).items() if k.endswith(".attributes")}
        others = {k: one for k, one in weights.items() if not k.endswith(".attributes")}
        weights = others | silent
    fill(network, weights)


def _read(table: Path, cases: Sequence[str]) -> dict[str, dict[str, str]]:
    """Case to attribute to value; empty cells are left out."""
    found: dict[str, dict[str, str]] = {}
    for row in read_rows(table, ("case",), "attributes"):
        case = row.pop("case")
        if case not in cases:
            raise BadDataset(
                f"{table} tells of the case {case!r}, which the data set does not have.",
                f"Correct its name; the data set has for example {cases[0]}.",
            )
        if case in found:
            raise BadDataset(f"{table} tells of the case {case!r} twice.", "Remove one line.")
        found[case] = {name: value for name, value in row.items() if value}
    if not any(found.values()):
        raise BadDataset(
            f"{table} tells nothing of any case.",
            "Add a column for each attribute, e.g. case,size.",
        )
    return found


def _column(known: Sequence[Mapping[str, str]], name: str) -> list[str]:
    return [one[name] for one in known if name in one]


def _values(column: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(column)))


def _check(
    source: str, name: str, learned: Sequence[str], seen: Sequence[str], remedy: str
) -> None:
    """Refuse what cannot be learned: no choice, or a value of few cases."""
    counted = Counter(learned)
    values = sorted({*learned, *seen})
    if len(values) < 2:
        raise BadDataset(
            f"{source}{name!r} is {values[0] if values else 'unknown'!r} in all training cases.",
            "Leave it out: an attribute needs two values at least.",
        )
    for value in values:
        if counted[value] < FEWEST_OF_A_VALUE:
            raise BadDataset(
                f"{source}{counted[value]} training case(s) have the {name} {value!r}; "
                f"it takes {FEWEST_OF_A_VALUE} to learn a value.",
                remedy,
            )
