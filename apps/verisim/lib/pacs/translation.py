"""Label maps of clients become DICOM segmentations, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verisim import files
from verisim.errors import BadInput
from verisim.files import Color
from verisim.volume import LabelMap


def write_segmentation(label: Path, series: Path, info: Mapping[str, Any], path: Path) -> None:
    """Write the label that a client sent as a DICOM segmentation of a series.

    A label map without a single voxel that is not background becomes a segmentation of empty
    segments: that somebody looked and found nothing is an answer too.

    Args:
        label: The client's file.
        series: Folder of the series.
        info: What the client said about it.

    Raises:
        BadInput: Nobody names the labels, or they are not on the voxels of the series.
    """
    label_map = files.read_label_map(label)
    names = _told_names(info) or dict(label_map.labels)
    present = set(label_map.labels.values())
    left_over = {n: v for n, v in label_map.labels.items() if v not in names.values()}
    if not names:
        raise BadInput(
            "The label map is empty, and nobody says which labels were looked for.",
            'Send their names, e.g. params={"label_info": [{"name": "liver", "idx": 1}]}.',
        )
    _check_values(names, present)
    labelled = LabelMap(label_map.array, label_map.affine, {**names, **left_over})
    if files.suffix_of(label) == ".dcm":  # holds the box around its segments only
        labelled = labelled.resampled_like(files.read(series))
    files.write(path, labelled, _told_colors(info), series)


def write_label_map(segmentation: Path, series: Path, path: Path) -> None:
    """Write a DICOM segmentation as a label map on all voxels of its series.

    Raises:
        BadInput: It cannot be read as a label map; the subclass says why.
    """
    label_map = files.read_label_map(segmentation)
    files.write(path, label_map.resampled_like(files.read(series)))


def _told_names(info: Mapping[str, Any]) -> dict[str, int]:
    """As the panel tells them with a finished label, or as the model that made it does."""
    told = {str(entry.get("name", "")): entry.get("idx") for entry in _entries(info)}
    told.pop("", None)
    by_model = _mapping(_mapping(info.get("params")).get("label_names"))
    chosen = told or by_model
    return {str(name): value for name, value in chosen.items() if isinstance(value, int)}


def _told_colors(info: Mapping[str, Any]) -> dict[str, Color]:
    told = {str(entry.get("name", "")): entry.get("color") for entry in _entries(info)}
    by_model = _mapping(_mapping(info.get("params")).get("label_colors"))
    colors = {name: _color(given) for name, given in {**by_model, **told}.items()}
    return {name: color for name, color in colors.items() if color is not None}


def _color(given: object) -> Color | None:
    """Clients give numbers up to 1, or whole numbers up to 255."""
    if not isinstance(given, list | tuple) or len(given) < 3:
        return None
    if not all(isinstance(part, int | float) and 0 <= part <= 255 for part in given[:3]):
        return None
    largest = 255 if max(given[:3]) > 1 else 1
    red, green, blue = (float(part) / largest for part in given[:3])
    return red, green, blue


def _check_values(names: Mapping[str, int], present: set[int]) -> None:
    values = list(names.values())
    if len(set(values)) < len(values) or any(value < 1 for value in values):
        raise BadInput(
            f"The labels are numbered {', '.join(map(str, values))}.",
            "Number them from 1, each with a number of its own.",
        )
    if present and not present & set(values):
        raise BadInput(
            f"The label map holds the values {sorted(present)}, the names are for "
            f"{sorted(values)}.",
            "Send the names of this label map.",
        )


def _entries(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    told = info.get("label_info")
    return [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []


def _mapping(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}
