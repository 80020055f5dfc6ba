"""Scores of finished blocks of cases, in a folder: an audit that was killed goes on."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verisim.audit.collection import Collection
from verisim.audit.measure import Alignment, Matches
from verisim.errors import BadDataset
from verisim.files.atomic import clear_unfinished, make_folder, replacing
from verisim.volume import Array

MANIFEST = "training.json"

Row = tuple[float, float, float, float]
Matrix = tuple[Row, Row, Row, Row]


@dataclass(frozen=True)
class KeptScores:
    """A folder of scores.

    Args:
        folder: Of one audit; nothing is kept without it.
    """

    folder: Path | None = None

    def begin(self, training: Collection) -> None:
        """Make the folder for these training cases, or go on with it.

        Raises:
            BadDataset: The audit began with other training cases.
        """
        if self.folder is None:
            return
        make_folder(self.folder)
        clear_unfinished(self.folder)
        now = dict(zip(training.names, digests_of(training), strict=True))
        path = self.folder / MANIFEST
        if path.is_file():
            self._check(json.loads(path.read_text(encoding="utf-8")), now)
        else:
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(now), encoding="utf-8")

    def find(self, key: str) -> Matches | None:
        """What was kept under a key; none where nothing was, or the file is damaged."""
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
                return _unpacked({name: held[name] for name in held.files})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            path.unlink()  # it is computed again
            return None

    def keep(self, key: str, matches: Matches) -> None:
        """Keep scores.

        Raises:
            StorageFailed: The disk refused.
        """
        path = self._path(key)
        if path is not None:
            with replacing(path) as temporary:
                np.savez(
                    temporary,
                    measure=np.array(matches.measure),
                    scores=matches.scores,
                    nearest=matches.nearest,
                    matrices=np.array([one.matrix for one in matches.alignments]),
                    signs=np.array([one.sign for one in matches.alignments]),
                )

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{key}.npz"

    def _check(self, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        other = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if other:
            raise BadDataset(
                f"The training case {other[0]} is not what it was when the audit in "
                f"{self.folder} began ({len(other)} case(s) were changed, added or removed).",
                "Restore the training set, or begin a new audit in another folder.",
            )


def digests_of(collection: Collection) -> tuple[str, ...]:
    """SHA-256 of each case: as it is on disk, or of its voxels where it is on none."""
    return tuple(
        digest or _of_voxels(collection, row) for row, digest in enumerate(collection.digests)
    )


def fingerprint_of(collection: Collection, *, names: bool = False) -> str:
    """SHA-256 of a collection, which changes with any of its cases.

    Args:
        collection: Of cases.
        names: In the order of the names; else as they are.
    """
    pairs = list(zip(collection.names, digests_of(collection), strict=True))
    return sha256(str(pair) for pair in (sorted(pairs) if names else pairs))


def sha256(parts: Iterable[str]) -> str:
    """Of several texts, each told apart from the next."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() + b"\0")
    return found.hexdigest()


def joined(parts: Sequence[Matches]) -> Matches:
    """What one measure says of several blocks, as one."""
    return Matches(
        parts[0].measure,
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.nearest for part in parts]),
        tuple(alignment for part in parts for alignment in part.alignments),
    )


def _of_voxels(collection: Collection, row: int) -> str:
    found = hashlib.sha256(np.ascontiguousarray(collection.images[row]).tobytes())
    if collection.masks is not None:
        found.update(np.ascontiguousarray(collection.masks[row]).tobytes())
    return found.hexdigest()


def _unpacked(held: Mapping[str, Array]) -> Matches:
    alignments = tuple(
        Alignment(_rows(matrix), int(sign))
        for matrix, sign in zip(held["matrices"], held["signs"], strict=True)
    )
    return Matches(str(held["measure"]), held["scores"], held["nearest"], alignments)


def _rows(matrix: Array) -> Matrix:
    (a, b, c, d), (e, f, g, h), (i, j, k, m), (n, o, p, q) = matrix.tolist()
    return (a, b, c, d), (e, f, g, h), (i, j, k, m), (n, o, p, q)
