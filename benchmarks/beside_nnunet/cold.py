"""A fresh process a run: the two command lines in turn."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from beside_nnunet import commands
from beside_nnunet.agreement import agreements_of_files
from beside_nnunet.measuring import Run, measured
from beside_nnunet.report import COLD, Comparison, Side, tell
from verisim.card import ModelCard

NNUNET_WORKERS = (3, 1)
"""Processes for preprocessing and for export that are tried: nnU-Net's default, and the fewest."""


@dataclass(frozen=True)
class Models:
    """The same checkpoint for both.

    Args:
        model_folder: As nnU-Net wrote it.
        card: As it was imported.
        work: A folder for answers and logs.
    """

    model_folder: Path
    card: ModelCard
    work: Path


def compare_cold(
    models: Models, images: Path, what: str, mirroring: bool, repetitions: int
) -> Comparison:
    """Both command lines over a folder of images.

    The first round warms the disk's cache, and its memory is watched; it is timed only where it
    is the only one, as for long work.

    Args:
        models: What answers.
        images: Folder of CASE_0000.nii.gz.
        what: The work, in words.
        mirroring: For both.
        repetitions: Timed rounds after the first; 0 for long work.
    """
    ways = NNUNET_WORKERS if repetitions else NNUNET_WORKERS[-1:]
    first = _round(models, images, mirroring, ways, watched=True)
    others = [_round(models, images, mirroring, ways, watched=False) for _ in range(repetitions)]
    names = [*(f"command line, -npp {n} -nps {n}" for n in ways), "command line"]
    *peers, own = (
        Side(name, tuple(one[k] for one in others or [first]), first[k].peak_mb)
        for k, name in enumerate(names)
    )
    peer = min(peers, key=lambda side: side.seconds)
    output = models.work / f"nnunet{ways[peers.index(peer)]}"
    agreements = agreements_of_files(output, models.work / "verisim", models.card.labels)
    return Comparison(what, mirroring, peer, own, agreements, COLD)


def _round(
    models: Models, images: Path, mirroring: bool, ways: Sequence[int], watched: bool
) -> list[Run]:
    """One run of each way of nnU-Net, then one of ours."""
    lines = {
        f"nnunet{n}": commands.nnunet(
            models.model_folder, images, models.work / f"nnunet{n}", mirroring, n
        )
        for n in ways
    }
    lines["verisim"] = commands.verisim(models.card, images, models.work / "verisim", mirroring)
    runs = []
    for name, command in lines.items():
        shutil.rmtree(models.work / name, ignore_errors=True)
        run = measured(command, models.work / f"{name}.log", watched)
        tell(f"{name}{' --mirror' * mirroring}: {run}")
        runs.append(run)
    return runs
