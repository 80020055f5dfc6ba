"""What a data set's own JSON files say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verisim.errors import BadDataset


def read_json(path: Path) -> dict[str, Any]:
    """The one JSON object of a file.

    Raises:
        BadDataset: It holds something else.
    """
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadDataset(f"{path} is no valid JSON: {error}.", "Correct the file.") from error
    if not isinstance(text, dict):
        raise BadDataset(f"{path} must hold one JSON object.", "Correct the file.")
    return text


def labels_of(listed: Mapping[str, Any], folder: Path) -> dict[str, int]:
    """Both {"1": "Anterior"} (Decathlon) and {"Anterior": 1} (nnU-Net v2), in lower case.

    Raises:
        BadDataset: They are not name and number.
    """
    try:
        pairs = [
            (str(name), int(value)) if str(value).isdigit() else (str(value), int(name))
            for name, value in listed.items()
        ]
    except (TypeError, ValueError) as error:
        raise BadDataset(
            f"The labels {dict(listed)} of {folder / 'dataset.json'} are not name and number.",
            'Write them as {"background": 0, "liver": 1}.',
        ) from error
    return {name.lower(): value for name, value in pairs if value}
