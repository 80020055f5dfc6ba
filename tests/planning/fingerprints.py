"""Fingerprints of data sets that nobody has to own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from verisim.fingerprint import CaseSize, Fingerprint, Intensities

CASES = 40


def a_fingerprint(
    spacings: Iterable[Sequence[float]],
    shapes: Iterable[Sequence[int]],
    channels: tuple[str, ...] = ("MRI",),
    labels: int = 2,
    relative_size: float = 1.0,
) -> Fingerprint:
    """A fingerprint of cases with these spacings and shapes along X, Y, Z."""
    cases = []
    for number, ((x, y, z), (i, j, k)) in enumerate(zip(spacings, shapes, strict=True)):
        spacing = (float(x), float(y), float(z))
        cases.append(CaseSize(f"{number}", spacing, (int(i), int(j), int(k)), relative_size))
    return Fingerprint(
        data="made up",
        channels=channels,
        labels={f"label_{k}": k for k in range(1, labels + 1)},
        cases=tuple(cases),
        intensities=(Intensities(40.0, 38.0, 60.0, -1024.0, 3071.0, -120.0, 240.0),)
        * len(channels),
    )


def alike(
    spacing: Sequence[float],
    shape: Sequence[int],
    channels: tuple[str, ...] = ("MRI",),
    labels: int = 2,
    relative_size: float = 1.0,
    seed: int = 0,
) -> Fingerprint:
    """Cases around one size: shapes vary by a tenth, spacings by a twentieth."""
    draw = np.random.default_rng(seed).uniform
    spacings = np.round(np.multiply(spacing, draw(0.95, 1.05, (CASES, 3))), 3)
    shapes = np.maximum(1, np.round(np.multiply(shape, draw(0.9, 1.1, (CASES, 3))))).astype(int)
    shapes[:, np.equal(shape, 1)] = 1
    return a_fingerprint(spacings, shapes, channels, labels, relative_size)


def random_one(seed: int) -> Fingerprint:
    """Any spacing from 0.3 to 8 mm, any shape from 20 to 600 voxels a side."""
    generator = np.random.default_rng(seed)
    spacing = np.exp(generator.uniform(np.log(0.3), np.log(8), 3))
    shape = np.exp(generator.uniform(np.log(20), np.log(600), 3)).astype(int)
    channels = ("CT", "nonorm", "rgb_to_0_1", "T2")[: generator.integers(1, 5)]
    relative_size = float(generator.uniform(0.5, 1))
    labels = int(generator.integers(1, 6))
    return alike(spacing, shape, channels, labels, relative_size, seed)


def read_nnunet(path: Path) -> Fingerprint:
    """The fingerprint that nnU-Net wrote of the hippocampus, whose arrays lie (Z, Y, X)."""
    text = json.loads(path.read_text())
    backwards = (np.array(text[key])[:, ::-1] for key in ("spacings", "shapes_after_crop"))
    relative_size = text["median_relative_size_after_cropping"]
    return a_fingerprint(*backwards, relative_size=relative_size)


HUGE_CT = a_fingerprint([(0.8, 0.8, 1)] * CASES, [(512, 512, 700)] * CASES, ("CT",))
"""Cases of one size, so that the plan's numbers are round."""

MADE_UP = {
    "hippocampus": alike((1, 1.01, 1.02), (35, 50, 36)),
    "anisotropic MR": alike((0.5, 0.49, 6), (400, 420, 24)),
    "sagittal MR": alike((6, 0.5, 0.49), (24, 400, 420)),
    "few slices": alike((0.7, 0.69, 9), (256, 260, 6)),
    "huge CT": alike((0.8, 0.79, 1), (512, 500, 700), ("CT",), 4),
    "brain of four channels": alike(
        (1, 1.01, 0.99), (138, 171, 140), ("T1", "T1c", "T2", "FLAIR"), 3, 0.2
    ),
    "slices only": alike((1, 1.01, 999), (500, 420, 1)),
    "huge CT of one size": HUGE_CT,
    "tiny": alike((1, 1.01, 0.99), (9, 10, 13)),
    "isotropic and equal": a_fingerprint([(1, 1, 1)] * CASES, [(128, 128, 128)] * CASES),
    "equal in plane": a_fingerprint([(0.5, 0.5, 6)] * CASES, [(512, 512, 30)] * CASES),
    **{f"random {seed}": random_one(seed) for seed in range(12)},
}
"""Data sets of every kind, by name."""
