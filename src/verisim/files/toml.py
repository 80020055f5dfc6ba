"""Frozen values as TOML that a person likes to read."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING

import tomli_w

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NUMBERS = re.compile(r"\[\n\s*((?:[-+.\w]+,\s*)+)\]")
"""A list of numbers over several lines: a person reads it better on one."""


def to_toml(value: DataclassInstance, without: Collection[str] = ()) -> str:
    """All fields of a dataclass, but some, and those that are None.

    Args:
        value: What is written.
        without: Names of its fields that are not.
    """
    fields = {k: one for k, one in asdict(value, dict_factory=_said).items() if k not in without}
    return NUMBERS.sub(_on_one_line, tomli_w.dumps(fields, multiline_strings=False))


def _said(fields: list[tuple[str, object]]) -> dict[str, object]:
    """The fields that TOML knows a word for: it has none for nothing."""
    return {key: value for key, value in fields if value is not None}


def _on_one_line(found: re.Match[str]) -> str:
    return f"[{', '.join(found[1].replace(',', ' ').split())}]"
