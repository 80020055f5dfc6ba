"""Numbers and verdicts as the page of an audit says them."""

from __future__ import annotations

import math
from html import escape

from verisim.metrics.intervals import Interval

WORDS = {"pass": "Pass", "quarantine": "Quarantine", "block": "Block"}
"""Verdicts as a person reads them."""

ENDLESS = "∞"


def number(value: float, digits: int = 2) -> str:
    """A whole number as it is, any other with a few digits."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        said = ENDLESS
    elif value == int(value):
        said = f"{abs(int(value)):,}".replace(",", "\u202f")
    else:
        said = f"{abs(value):.{digits}f}"
    return f"−{said}" if value < 0 else said


def probability(value: float) -> str:
    """With the digits that it has."""
    return f"{value:.2g}" if value >= 0.001 else f"{value:.0e}"


def share(value: float) -> str:
    """In percent, with more digits where it is small."""
    percent = 100 * value
    return f"{round(percent, 1 if percent >= 1 else 2):g} %"


def interval(value: Interval, percent: bool = False) -> str:
    """A value and between which bounds it lies."""
    said = share if percent else number
    return f"{said(value.mean)} ({said(value.low)} to {said(value.high)})"


def table(caption: str, header: tuple[str, ...], rows: list[str]) -> str:
    """A table that scrolls in itself where the page is narrow.

    Args:
        caption: Plain text.
        header: One a column; what begins with "#" is of numbers, "" is for pictures of them.
        rows: HTML of each.
    """
    heads = "".join(_head(name) for name in header)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _head(name: str) -> str:
    if not name:
        return '<td class="gauge"></td>'
    return (
        f'<th scope="col"{" class=number" * name.startswith("#")}>{escape(name.lstrip("#"))}</th>'
    )


def cells(*values: str, first: str = "") -> str:
    """Cells of numbers behind a row's head."""
    head = f'<th scope="row">{first}</th>' if first else ""
    return head + "".join(f'<td class="number">{value}</td>' for value in values)
