"""What a request asks for: MONAI Label's dictionary, checked and given types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monailabel.utils.others.generic import name_to_device

from verisim import devices
from verisim.errors import BadInput, UnsupportedVolume
from verisim.files.source import LABEL_MAP_SUFFIXES
from verisim.sampling_wish import AS_ITS_CARD_SAYS, SamplingWish

DEFAULT_SUFFIX = ".nrrd"
"""Format of an answer when none is asked for: the one that the stock panel reads."""


@dataclass(frozen=True)
class SegmentAsk:
    """What to segment, and how to answer.

    Args:
        image: A file or a folder of DICOM files.
        series: SeriesInstanceUID, for a folder with more than one series; None for the only one.
        device: Where to compute.
        suffix: Format of the label map.
        mirroring: Whether to average over mirror images; None as the model's card says.
        wish: How a diffusion model samples.
    """

    image: Path
    series: str | None
    device: str
    suffix: str
    mirroring: bool | None = None
    wish: SamplingWish = AS_ITS_CARD_SAYS


def segment_ask(request: Mapping[str, Any]) -> SegmentAsk:
    """Read a request to a segmentation model.

    Raises:
        BadInput: A parameter has the wrong type, or a value that is not offered.
        UnsupportedVolume: DICOM is asked for a volume that did not come as a DICOM series.
        Unavailable: This machine has no such device.
    """
    suffix = _text(request, "result_extension") or DEFAULT_SUFFIX
    suffix = suffix if suffix.startswith(".") else f".{suffix}"
    if suffix not in LABEL_MAP_SUFFIXES:
        raise BadInput(
            f"There is no result_extension {suffix!r}.",
            f"Choose one of: {', '.join(LABEL_MAP_SUFFIXES)}.",
        )
    image = Path(request["image"])
    if suffix == ".dcm" and not image.is_dir():
        raise UnsupportedVolume(
            f"{image.name} is no DICOM series: a DICOM segmentation must belong to one.",
            "Upload all files of the series into one session, or ask for another format.",
        )
    return SegmentAsk(
        image=image,
        series=_text(request, "series") or None,
        device=devices.choose(name_to_device(device_of(request))),
        suffix=suffix,
        mirroring=_truth(request, "mirror"),
        wish=SamplingWish(
            _number(request, "samples"),
            _number(request, "steps"),
            seed=_number(request, "seed"),
        ),
    )


def device_of(request: Mapping[str, Any]) -> str:
    """Where a request wants to be computed, in a client's words; empty if it does not say."""
    offered = request.get("device")
    if isinstance(offered, list) and offered:  # the panel's list of choices, untouched
        return _text({"device": offered[0]}, "device")
    return _text(request, "device")


def _text(request: Mapping[str, Any], name: str) -> str:
    given = request.get(name) or ""
    if not isinstance(given, str):
        raise BadInput(f"The parameter {name} is {given!r}.", "Give a text.")
    return given


def _truth(request: Mapping[str, Any], name: str) -> bool | None:
    given = request.get(name)
    if given is not None and not isinstance(given, bool):
        raise BadInput(
            f"The parameter {name} is {given!r}.", "Give true or false, or leave it out."
        )
    return given


def _number(request: Mapping[str, Any], name: str) -> int | None:
    given = request.get(name)
    if given is not None and (not isinstance(given, int) or isinstance(given, bool)):
        raise BadInput(
            f"The parameter {name} is {given!r}.", "Give a whole number, or leave it out."
        )
    return given
