"""Strata with few held-out patients, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verisim.errors import BadInput

FEWEST = 19
"""Held-out patients: with n of them the smallest p is 1/(n + 1), so 19 reach 0.05."""

RECOMMENDED = 100
"""Held-out patients from which on one copy in a hundred cases stands out."""

POOLED = "pooled"


def check_enough(patients: int) -> None:
    """Refuse a verdict from too few held-out patients.

    Raises:
        BadInput: Names the number, the rule and what more would buy.
    """
    if patients >= FEWEST:
        return
    raise BadInput(
        f"{patients} held-out patient(s) allow no verdict: the smallest p that they can give is "
        f"1/{patients + 1}, and an audit needs 1/{FEWEST + 1} or less, {FEWEST} patients.",
        f"Hold out {FEWEST - patients} more whom the generator never saw; {RECOMMENDED} patients "
        f"reach p = {1 / (RECOMMENDED + 1):.2f}, and find fewer copies among more cases. Or let "
        "training patients stand in for them (--stand-in).",
    )


def grouped(
    held_out: Mapping[str, frozenset[str]], synthetic: Sequence[str], fewest: int = FEWEST
) -> dict[str, str]:
    """The group of each stratum: the stratum itself, or "pooled" where its patients are few.

    Strata with fewer held-out patients than agreed are put together; if their patients are
    still too few, the smallest of the other strata join them, one after the other.

    Args:
        held_out: Patients of each stratum.
        synthetic: Strata of synthetic cases, which may have no held-out patient at all.
        fewest: Patients of a group.
    """
    nobody: frozenset[str] = frozenset()
    names = sorted({*held_out, *synthetic})
    ascending = sorted(names, key=lambda name: len(held_out.get(name, nobody)))
    pool: list[str] = []
    people = nobody
    for name in ascending:
        own = held_out.get(name, nobody)
        if len(own) >= fewest and (not pool or len(people) >= fewest):
            break
        pool.append(name)
        people |= own
    if len(pool) == 1:
        return {name: name for name in names}
    return {name: POOLED if name in pool else name for name in names}
