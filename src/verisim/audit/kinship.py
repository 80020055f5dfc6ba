"""Slices of one synthetic volume stay or leave together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from verisim.audit.findings import CaseVerdict


def withheld_together(
    cases: Sequence[CaseVerdict], volumes: Mapping[str, str]
) -> tuple[CaseVerdict, ...]:
    """The same verdicts, but no case leaves whose volume holds one that stays.

    A generator that repeats a patient repeats all of the patient; the slices between two copies
    show the same body, even where they alone are not close enough to be sure.

    Args:
        cases: The verdict on each, the highest score first.
        volumes: Which synthetic volume each case is of, by its name.
    """
    closest: dict[str, str] = {}
    for case in cases:
        if case.flagged:
            closest.setdefault(volumes[case.name], case.name)
    return tuple(
        replace(case, word="quarantine", withheld_with=closest[volumes[case.name]])
        if not case.flagged and volumes[case.name] in closest
        else case
        for case in cases
    )
