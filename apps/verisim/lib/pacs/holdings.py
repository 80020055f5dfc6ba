"""What a PACS says about its series: read from DICOM JSON, whatever else stands there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import tag_for_keyword

UID = re.compile(r"[0-9][0-9.]{0,63}")
WRITTEN = ("ContentDate", "ContentTime"), ("SeriesDate", "SeriesTime"), ("StudyDate", "StudyTime")

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class ImageSeries:
    """One series of images.

    Args:
        uid: SeriesInstanceUID.
        study: StudyInstanceUID.
        instances: How many files it has; None if the PACS does not say.
        subject: Stands for the patient, without naming anybody; empty if the PACS does not say.
    """

    uid: str
    study: str
    modality: str
    description: str
    instances: int | None
    subject: str


@dataclass(frozen=True)
class StoredSegmentation:
    """One DICOM segmentation.

    Args:
        instance: SOPInstanceUID.
        image: SeriesInstanceUID of what it segments.
        labels: Name and number of its segments.
        written: Sorts the newest last.
    """

    series: str
    study: str
    instance: str
    image: str
    labels: tuple[tuple[str, int], ...]
    written: str


@dataclass(frozen=True)
class Holdings:
    """Everything that is listed.

    Args:
        images: By SeriesInstanceUID.
        labels: Segmentations by the SeriesInstanceUID of their image, the newest first.
    """

    images: Mapping[str, ImageSeries] = field(default_factory=dict)
    labels: Mapping[str, Sequence[StoredSegmentation]] = field(default_factory=dict)


def image_series(entry: Entry) -> ImageSeries | None:
    """A series, or None if the entry does not identify one."""
    uid, study = text(entry, "SeriesInstanceUID"), text(entry, "StudyInstanceUID")
    if not UID.fullmatch(uid) or not UID.fullmatch(study):
        return None
    count = text(entry, "NumberOfSeriesRelatedInstances")
    return ImageSeries(
        uid=uid,
        study=study,
        modality=text(entry, "Modality"),
        description=text(entry, "SeriesDescription"),
        instances=int(count) if count.isdecimal() else None,
        subject=_pseudonym(text(entry, "PatientID"), text(entry, "IssuerOfPatientID")),
    )


def stored_segmentation(entry: Entry) -> StoredSegmentation | None:
    """A segmentation that a label map can be made of, or None."""
    images = [text(item, "SeriesInstanceUID") for item in items(entry, "ReferencedSeriesSequence")]
    uids = [text(entry, f"{level}InstanceUID") for level in ("Series", "Study", "SOP")]
    binary = text(entry, "SegmentationType") == "BINARY"
    apart = text(entry, "SegmentsOverlap") != "YES"
    if not (binary and apart and images and all(map(UID.fullmatch, [*images, *uids]))):
        return None
    series, study, instance = uids
    segments = [
        (text(item, "SegmentLabel"), text(item, "SegmentNumber"))
        for item in items(entry, "SegmentSequence")
    ]
    return StoredSegmentation(
        series=series,
        study=study,
        instance=instance,
        image=images[0],
        labels=tuple((name, int(number)) for name, number in segments if number.isdecimal()),
        written=next(filter(None, (_moment(entry, *pair) for pair in WRITTEN)), ""),
    )


def text(entry: Entry, keyword: str) -> str:
    """The first value of an attribute as text, empty if there is none."""
    value = next(_values(entry, keyword), "")
    return str(value) if isinstance(value, str | int | float) else ""


def items(entry: Entry, keyword: str) -> Iterator[Entry]:
    """The items of a sequence."""
    return (item for item in _values(entry, keyword) if isinstance(item, dict))


def _values(entry: Entry, keyword: str) -> Iterator[Any]:
    attribute = entry.get(f"{tag_for_keyword(keyword):08X}")
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return iter(values if isinstance(values, list) else [])


def _moment(entry: Entry, date: str, time: str) -> str:
    day = text(entry, date)
    return f"{day} {text(entry, time)}" if day else ""


def _pseudonym(patient: str, issuer: str) -> str:
    return hashlib.sha256(f"{issuer} {patient}".encode()).hexdigest()[:12] if patient else ""
