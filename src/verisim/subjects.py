"""Whose body a case shows: cases of one subject stay on one side of a split."""

from __future__ import annotations

import re

from verisim.errors import BadDataset

TWO_SIDES = r"hippocampus_(\d+)"
"""Cases of the Decathlon's task 04, whose ids 2k-1 and 2k are the two sides of one scan."""

SAME_SUBJECT = {"hippocampus_245": "150"}
"""Cases that belong to a scan of other ids (seen by correlating the images)."""


def subject_of(case: str, pattern: str) -> str:
    """Whose body a case shows: what the pattern finds in its name, or the name itself.

    Args:
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
