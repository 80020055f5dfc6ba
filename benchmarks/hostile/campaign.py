"""All uploads of a seed, and what must hold while they come."""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from hostile.damage import ANYWHERE, Damage, slices_mixed_up
from hostile.headers import dicom_header, nifti_header, nrrd_header
from hostile.packing import nifti_packing, nrrd_packing, something_else
from hostile.sending import Answer, Server
from hostile.specimens import Specimen, specimens

HEADERS: dict[str, Damage] = {
    "nii": nifti_header,
    "nii.gz": nifti_header,
    "nrrd": nrrd_header,
    "nrrd raw": nrrd_header,
    "seg.nrrd": nrrd_header,
    "dicom seg": dicom_header,
    "dicom file": dicom_header,
    "dicom series": dicom_header,
}
PACKINGS: dict[str, Damage] = {
    "nii.gz": nifti_packing,
    "nrrd": nrrd_packing,
    "seg.nrrd": nrrd_packing,
    "dicom series": slices_mixed_up,
}
GROWTH_MB = 100
"""What the memory may grow by from the middle to the end: nothing, but for the allocator."""

GB = 1 << 30
PEAK_GB = 3.0
"""A bomb that unpacks in memory would be higher."""


@dataclass(frozen=True)
class Input:
    """One damaged upload.

    Args:
        number: Names it, with the seed.
        damage: What was done to the specimen.
        door: Where it is sent.
    """

    number: int
    specimen: Specimen
    damage: str
    door: str


@dataclass
class Seen:
    """What was seen of a server.

    Args:
        answers: By format and damage.
        faults: Inputs whose answer breaks a law.
        memory: Resident bytes at the start, in the middle, at the end.
        peak: Highest resident bytes.
        left: Files that were not there before.
        alive: Whether it answered at the end.
    """

    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=lambda: defaultdict(list))
    faults: list[tuple[Input, Answer]] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    peak: int = 0
    left: set[Path] = field(default_factory=set)
    alive: bool = True

    @property
    def counts(self) -> dict[tuple[str, str], Counter[tuple[int, str]]]:
        """How often each status and code came, by format and damage."""
        return {
            row: Counter((answer.status, answer.code) for answer in answers)
            for row, answers in self.answers.items()
        }

    @property
    def broken(self) -> list[str]:
        """The laws that do not hold."""
        growth = (self.memory[-1] - self.memory[-2]) / 2**20
        laws = {
            f"{len(self.faults)} answers break a law": not self.faults,
            "the server is dead": self.alive,
            f"files are left: {sorted(map(str, self.left))[:5]}": not self.left,
            f"memory grew by {growth:.0f} MB": growth < GROWTH_MB,
            f"memory rose to {self.peak / GB:.1f} GB": self.peak < PEAK_GB * GB,
        }
        return [law for law, holds in laws.items() if not holds]


def inputs(number: int, seed: int, doors: Sequence[str]) -> Iterator[Input]:
    """Uploads in turn of every format, damage and door; the same for the same seed."""
    whole = specimens()
    rows = [(format_, damage) for format_ in whole for damage in damages_of(format_)]
    for n in range(number):
        format_, damage = rows[n % len(rows)]
        door = doors[(n + n // len(rows)) % len(doors)]
        random = np.random.default_rng([seed, n])
        yield Input(n, damages_of(format_)[damage](whole[format_], random), damage, door)


def damages_of(format_: str) -> dict[str, Damage]:
    """What can be done to a format."""
    packing = {"packing": PACKINGS[format_]} if format_ in PACKINGS else {}
    return {**ANYWHERE, "header": HEADERS[format_], **packing, "something else": something_else}


def attacked(
    server: Server, process: psutil.Process, folders: Sequence[Path], number: int, seed: int
) -> Seen:
    """Send all uploads, one after the other, and look at the server meanwhile."""
    seen, ended = Seen(), threading.Event()
    before = _files(folders)
    watcher = threading.Thread(target=_watch, args=(process, seen, ended))
    watcher.start()
    try:
        for one in inputs(number, seed, server.doors):
            if one.number in {number // 10, number // 2}:  # by then everything is loaded
                seen.memory.append(process.memory_info().rss)
            answer = server.send(one.door, one.specimen)
            seen.answers[one.specimen.format, one.damage].append(answer)
            if answer.fault:
                seen.faults.append((one, answer))
        seen.memory.append(process.memory_info().rss)
    finally:
        ended.set()
        watcher.join()
    seen.alive = process.is_running() and server.lives()
    seen.left = _files(folders) - before
    return seen


def _watch(process: psutil.Process, seen: Seen, ended: threading.Event) -> None:
    while not ended.wait(0.02) and process.is_running():
        seen.peak = max(seen.peak, process.memory_info().rss)


def _files(folders: Sequence[Path]) -> set[Path]:
    return {
        Path(place) / name
        for folder in folders
        for place, _, names in os.walk(folder)
        for name in names
        if not name.endswith((".lock", ".log")) and "sqlite" not in name
    }
