"""Which synthetic cases may be learned from: those that an audit let out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from verisim.audit.certificate import Certificate, parsed, sha256_of
from verisim.dataset import Case
from verisim.errors import Unreleased
from verisim.files import stem
from verisim.files.marks import files_of, is_marked

CHANNEL = "_0000"
"""What nnU-Net puts behind a case's name."""


def is_synthetic(path: Path) -> bool:
    """Whether an image or label map says that it is nobody's.

    It may say so in its own header, in the record of where it comes from, `provenance/NAME.json`
    beside it or above, or in `dataset.json`.

    Args:
        path: A file, or the folder of a DICOM series.
    """
    return is_marked(path) or any(_told(record) for record in _records(path))


def certificates_in(folder: Path) -> tuple[Certificate, ...]:
    """The certificates of a folder that hold; others stand for nothing."""
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            found.append(parsed(path.read_bytes()))
        except Unreleased:
            continue  # then the case that it was for is found to have none
    return tuple(found)


def unreleased(cases: Iterable[Case], certificates: Sequence[Certificate]) -> tuple[str, ...]:
    """Names of the cases with a synthetic image or label map that no certificate speaks of.

    Args:
        cases: To learn from.
        certificates: See `certificates_in`.
    """
    sealed = frozenset(file.sha256 for one in certificates for file in one.files)
    return tuple(
        case.name
        for case in cases
        if not all(
            is_let_out(path, sealed)
            for path in (*case.images, *([case.label] if case.label else []))
        )
    )


def is_let_out(path: Path, sealed: frozenset[str]) -> bool:
    """Whether an image or label map is real, or each of its files is certified.

    Args:
        path: A file, or the folder of a DICOM series.
        sealed: SHA-256 of files that certificates speak of.
    """
    return not is_synthetic(path) or all(sha256_of(file) in sealed for file in files_of(path))


def _records(path: Path) -> Iterable[Path]:
    names = {stem(path), stem(path).removesuffix(CHANNEL)}
    for folder in (path.parent, path.parent.parent):
        yield from (folder / "provenance" / f"{name}.json" for name in sorted(names))
        yield folder / "dataset.json"


def _told(record: Path) -> bool:
    try:
        told = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return False  # no record
    return isinstance(told, dict) and told.get("synthetic") is True
