"""What kind of case each is: cases are only calibrated against those of their own stratum."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from verisim.case_table import read_table
from verisim.errors import BadDataset, BadInput

ONE = "all"
"""The stratum of every case where nothing was said."""


@dataclass(frozen=True)
class StratumRule:
    """How the stratum of a case is found.

    Args:
        table: CSV file with the columns case and stratum.
        pattern: Regular expression on a case's name; its first group is the stratum, or a
            number such as a slice position, if `parts` are asked for.
        parts: Into how many ranges of equally many training cases the numbers are cut.
        edges: Where they are cut; see `fitted`.

    Raises:
        BadInput: Both a table and a pattern are given, or parts without a pattern.
    """

    table: Path | None = None
    pattern: str = ""
    parts: int = 0
    edges: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if (self.table and self.pattern) or (self.parts and not self.pattern):
            raise BadInput(
                "Strata are given by a table or by a pattern; parts need a pattern.",
                "Give one of the two.",
            )

    def fitted(self, training: Sequence[str]) -> StratumRule:
        """The rule with the ranges that training cases say, for held-out and synthetic ones."""
        if not self.parts:
            return self
        numbers = [self._number(name) for name in training]
        cuts = np.quantile(numbers, np.arange(1, self.parts) / self.parts)
        return replace(self, edges=tuple(sorted({float(cut) for cut in cuts})))

    def strata_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """The stratum of each case.

        Raises:
            NotFound: There is no such table.
            BadDataset: The table lacks a case or a column, or the pattern does not fit.
        """
        if self.table is not None:
            return _listed(self.table, names)
        if not self.pattern:
            return (ONE,) * len(names)
        if self.parts:
            return tuple(f"part {bisect_right(self.edges, self._number(n)) + 1}" for n in names)
        return tuple(self._found(name) for name in names)

    def _found(self, name: str) -> str:
        found = re.search(self.pattern, name)
        if not found or not found.groups():
            raise BadDataset(
                f"The stratum pattern {self.pattern!r} finds no group in the case {name!r}.",
                "Give a regular expression whose first group is the stratum, e.g. '_(\\d+)$'.",
            )
        return str(found.group(1))

    def _number(self, name: str) -> float:
        try:
            return float(self._found(name))
        except ValueError as error:
            raise BadDataset(
                f"The stratum {self._found(name)!r} of the case {name!r} is no number.",
                "Only numbers can be cut into parts: leave the parts out.",
            ) from error


def _listed(table: Path, names: Sequence[str]) -> tuple[str, ...]:
    listed = read_table(table, "stratum", "strata")
    missing = [name for name in names if not listed.get(name)]
    if missing:
        raise BadDataset(
            f"{table} names no stratum of {len(missing)} case(s), {missing[0]!r} is one.",
            "Add a line for each case.",
        )
    return tuple(listed[name] for name in names)
