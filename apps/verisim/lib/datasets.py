"""The data sets of the server, which audits compare with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from verisim.dataset import open_dataset
from verisim.errors import VerisimError


@dataclass(frozen=True)
class Offered:
    """A data set that an audit may name.

    Args:
        name: Of its folder.
        splits: Cases of each of its parts; empty where images lie side by side.
    """

    name: str
    splits: dict[str, int]


def offered_sets(folder: Path | None) -> list[Offered]:
    """All of them, sorted.

    Args:
        folder: Where they lie; None: there are none.
    """
    return [Offered(name, _splits(folder / name)) for name in names_in(folder)] if folder else []


def names_in(folder: Path | None) -> list[str]:
    """Names of the folders in it, sorted."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def _splits(folder: Path) -> dict[str, int]:
    try:
        dataset = open_dataset(folder)
    except VerisimError:  # images side by side are no data set, and can be audited all the same
        return {}
    known = {case.name for case in dataset.cases}
    named = {name: len(known & cases) for name, cases in dataset.splits.items()}
    return {"all": len(known), **named}
