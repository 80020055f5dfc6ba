"""Real cases, split by patient into training and held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from slices.material import TASKS, lay_out_slices
from verisim.audit.collecting import Grid, collected
from verisim.audit.collection import Collection
from verisim.audit.folders import cases_in
from verisim.dataset import Case


@dataclass(frozen=True)
class Split:
    """Two sets of cases on one grid, without a patient in common."""

    name: str
    training: Collection
    held_out: Collection


def hippocampus(data: Path, seed: int = 0) -> Split:
    """Volumes: six tenths of the subjects train."""
    return _split("hippocampus", cases_in(data / "hippocampus"), 0.6, seed)


def lgg2d(data: Path, work: Path, seed: int = 0) -> Split:
    """Slices of 82 patients, 30 of whom train; those without a tumour are a stratum.

    With fewer than 49 held-out patients in a stratum no p is 2 % or less.
    """
    folder = work / "lgg2d"
    folder.mkdir(parents=True, exist_ok=True)
    lay_out_slices(data / "lgg2d", folder)
    split = _split("lgg2d", cases_in(folder, subject_pattern=TASKS["lgg2d"].subject), 0.37, seed)
    return Split(split.name, _by_tumour(split.training), _by_tumour(split.held_out))


def _split(name: str, cases: Sequence[Case], share: float, seed: int) -> Split:
    patients = sorted({case.subject for case in cases})
    drawn = np.random.default_rng(seed).permutation(patients)
    chosen = set(drawn[: round(share * len(patients))].tolist())
    training = [case for case in cases if case.subject in chosen]
    held_out = [case for case in cases if case.subject not in chosen]
    grid = Grid.among(training)
    return Split(name, collected(training, grid), collected(held_out, grid))


def _by_tumour(cases: Collection) -> Collection:
    if cases.masks is None:
        raise ValueError("slices come with masks")
    strata = tuple("tumour" if mask.any() else "no tumour" for mask in cases.masks)
    return replace(cases, strata=strata)
