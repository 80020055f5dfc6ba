"""A table that says one thing about each case."""

from __future__ import annotations

import csv
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
    remedy = f"Write a CSV file whose first line is: case,{told}"
    if not table.is_file():
        raise NotFound(f"There is no table of {plural} {table}.", remedy)
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadDataset(f"{table} is no CSV file: {error}.", remedy) from error
    if not rows or not {"case", told} <= rows[0].keys():
        raise BadDataset(f"{table} has no columns case and {told}, or no lines.", remedy)
    return {str(row["case"]).strip(): str(row[told] or "").strip() for row in rows}
