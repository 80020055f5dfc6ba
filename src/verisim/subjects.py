"""Whose body a case shows: cases of one subject stay on one side of a split."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verisim.case_table import read_table
from verisim.errors import BadDataset, BadInput

TWO_SIDES = r"hippocampus_(\d+)"
"""Cases of the Decathlon's task 04, whose ids 2k-1 and 2k are the two sides of one scan."""

SAME_SUBJECT = {"hippocampus_245": "150"}
"""Cases that belong to a scan of other ids (seen by correlating the images)."""

TABLE_NAME = "subjects.csv"
"""The table beside a data set that says whose body each case shows."""


FOLDS = 5
SEED_OF_FOLDS = 12345
"""As nnU-Net draws them (Isensee 2021)."""


@dataclass(frozen=True)
class SubjectRule:
    """How the subject of a case is found.

    Args:
        pattern: Regular expression whose first group is the subject; empty for none.
        table: CSV file with the columns case and subject; none to look at the name only.

    Raises:
        BadInput: Both are given.
    """

    pattern: str = ""
    table: Path | None = None

    def __post_init__(self) -> None:
        if self.pattern and self.table:
            raise BadInput(
                "Subjects are given both by a pattern and by a table.",
                "Say either --subject-pattern or --subject-table.",
            )

    def within(self, folder: Path) -> SubjectRule:
        """The rule for a data set: its own `subjects.csv`, if nothing was said."""
        own = folder / TABLE_NAME
        return self if self.pattern or self.table or not own.is_file() else SubjectRule(table=own)

    def subjects_of(self, cases: Iterable[str]) -> dict[str, str]:
        """The subject of each case.

        Raises:
            NotFound: There is no such table.
            BadDataset: The table lacks a case or a column, or the pattern does not fit.
        """
        if self.table is None:
            return {case: subject_of(case, self.pattern) for case in cases}
        listed = read_table(self.table, "subject", "subjects")
        return {case: _listed(case, listed, self.table) for case in cases}


def subject_of(case: str, pattern: str) -> str:
    """Whose body a case shows: what the pattern finds in its name, or the name itself.

    Args:
        case: Its name.
        pattern: Regular expression whose first group is the subject; empty for none.

    Raises:
        BadDataset: The pattern is no regular expression, or finds nothing.
    """
    if pattern:
        return _found(pattern, case)
    sides = re.fullmatch(TWO_SIDES, case)
    if not sides:
        return case
    return SAME_SUBJECT.get(case, f"{(int(sides.group(1)) + 1) // 2:03d}")


def folds_of(subjects: Iterable[str], count: int = FOLDS) -> list[frozenset[str]]:
    """Deal subjects out to folds, as nnU-Net deals out cases: shuffled by a fixed seed.

    The same as scikit-learn's `KFold(count, shuffle=True, random_state=12345)` over the sorted
    subjects.

    Args:
        subjects: Those of all cases.
        count: Folds.

    Raises:
        BadDataset: There are fewer subjects than folds.
    """
    listed = sorted(set(subjects))
    if len(listed) < count:
        raise BadDataset(
            f"{len(listed)} subject(s) cannot be dealt out to {count} folds.",
            "Train with --fold none, or label more subjects.",
        )
    order = np.arange(len(listed))
    # the legacy generator is the one that scikit-learn, and so nnU-Net, shuffles with
    np.random.RandomState(SEED_OF_FOLDS).shuffle(order)
    return [frozenset(listed[k] for k in part) for part in np.array_split(order, count)]


def _found(pattern: str, case: str) -> str:
    remedy = "Give a regular expression whose first group is the subject, e.g. '(p\\d+)_'."
    try:
        found = re.search(pattern, case)
    except re.error as error:
        raise BadDataset(
            f"The subject pattern {pattern!r} is no regular expression: {error}.", remedy
        ) from error
    if not found:
        raise BadDataset(
            f"The subject pattern {pattern!r} finds nothing in the case {case!r}.", remedy
        )
    return str(found.group(1) if found.groups() else found.group(0))


def _listed(case: str, listed: dict[str, str], table: Path) -> str:
    if not listed.get(case):
        raise BadDataset(
            f"{table} names no subject of the case {case!r}.", "Add a line for this case."
        )
    return listed[case]
