"""A table that says one thing about each case."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from verisim.errors import BadDataset, NotFound


def read_table(table: Path, told: str, plural: str) -> dict[str, str]:
    """Case to what is told of it; other columns are ignored.

    Args:
        table: CSV file with the columns case and `told`.
        told: Name of the other column.
        plural: The same of several, for messages.

    Raises:
        NotFound: There is no such file.
        BadDataset: It is no such table.
    """
    rows = read_rows(table, ("case", told), plural)
    return {row["case"]: row[told] for row in rows}


def read_rows(table: Path, columns: Sequence[str], plural: str) -> list[dict[str, str]]:
    """The lines of a table, column to what is told; an empty cell is an empty word.

    Args:
        table: CSV file.
        columns: Those that it must have.
        plural: What it tells, for messages.

    Raises:
        NotFound: There is no such file.
        BadDataset: It is no such table.
    """
    remedy = f"Write a CSV file whose first line is: {','.join(columns)}"
    if not table.is_file():
        raise NotFound(f"There is no table of {plural} {table}.", remedy)
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadDataset(f"{table} is no CSV file: {error}.", remedy) from error
    if not rows or not set(columns) <= rows[0].keys():
        raise BadDataset(f"{table} has no columns {' and '.join(columns)}, or no lines.", remedy)
    # beyond the last column there is no name, and in short lines no cell
    return [{name: (cell or "").strip() for name, cell in row.items() if name} for row in rows]
