"""What all faults share: volumes, what an undisturbed run makes of them, and a table's lines."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serving_jobs.client import Client, Job, Refused
from serving_jobs.laws import Law
from serving_jobs.material import MANY, MODEL, ONE, tiled, voxel_hash
from serving_jobs.process import ONE_THREAD, Server, prepared

PATIENCE = 120.0
"""For one job, seconds."""

SUFFIX = ".nii"
"""Of results: not compressed, so that half a file would have half the bytes."""

LONG, SHORT = "long", "short"
"""Two volumes: one that takes seconds, one that takes a moment."""


@dataclass(frozen=True)
class Scene:
    """Volumes and their label maps.

    Args:
        folder: Of everything.
        times: How often the frequent faults are done.
        seed: Of the moments.
        truths: Hash of the label map of each volume, from a run that nothing disturbed.
    """

    folder: Path
    times: int
    seed: int
    truths: dict[str, str] = field(default_factory=dict)

    def volume(self, name: str) -> Path:
        """One of the two volumes."""
        return self.folder / f"{name}.nii"

    def draw(self) -> random.Random:
        """Moments that are the same at every run of the command."""
        return random.Random(self.seed)

    @contextmanager
    def server(self, name: str, **wishes: object) -> Iterator[Server]:
        """A server in a folder of its own; see `prepared`."""
        with prepared(self.folder / name, **wishes) as server:
            yield server

    def hand_in(self, client: Client, name: str, key: str = "") -> Job:
        """Ask for the label map of a volume."""
        return client.segment(
            self.volume(name), key, model=MODEL, device="cpu", result_extension=SUFFIX
        )

    def right(self, client: Client, job_id: str, name: str) -> bool:
        """Whether the result is there, whole and the same as without a fault."""
        try:
            content = client.result(job_id, f"label{SUFFIX}")
        except Refused:
            return False
        return voxel_hash(content, SUFFIX) == self.truths[name]


@dataclass
class Tally:
    """What a fault led to, counted.

    Args:
        fault: What was done.
        running: What the server was doing.
        found: How often each thing was seen.
        wrong: What breaks a law.
    """

    fault: str
    running: str
    found: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def check(self, right: bool, good: str, bad: str) -> None:
        """Count one thing that must be right."""
        if right:
            self.found[good] += 1
        else:
            self.wrong[bad] += 1

    def law(self) -> Law:
        """As a line of the table."""
        seen = [*_counted(self.found), *(f"WRONG: {said}" for said in _counted(self.wrong))]
        return Law(f"{self.fault}, while {self.running}", "; ".join(seen), not self.wrong)


def _counted(found: Counter[str]) -> list[str]:
    return [what if n == 1 else f"{n}× {what}" for what, n in found.items()]


def scene_in(folder: Path, times: int, seed: int) -> Scene:
    """Write the volumes and segment them in a process that nothing disturbs.

    Raises:
        SystemExit: That process failed.
    """
    scene = Scene(folder, times, seed)
    for name, tiles in ((LONG, MANY), (SHORT, ONE)):
        tiled(scene.volume(name), tiles)
        scene.truths[name] = _undisturbed(scene.volume(name), folder / f"{name}-label{SUFFIX}")
    return scene


def _undisturbed(volume: Path, label_map: Path) -> str:
    command = [sys.executable, "-m", "verisim.cli", "segment", str(volume), "--model", MODEL]
    done = subprocess.run(
        [*command, "--device", "cpu", "--output", str(label_map)],
        env=os.environ | ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"verisim segment failed:\n{done.stderr}")
    return voxel_hash(label_map.read_bytes(), SUFFIX)
