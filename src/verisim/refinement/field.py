"""How clicks change the scores of the classes around them: kriging of what was missing there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from verisim.refinement.clicks import Seed
from verisim.volume import Array

FAR = 5.0
"""Nothing changes further than so many reaches from all clicks."""

LEAST = 1.0
"""By so much, at least, a click moves a score: what is right already is held there."""

BEYOND = 1.5
"""A click moves scores further than to a draw, by so many times what was missing: it is placed in
the middle of what is wrong, so the border lies as far behind it as before it."""

DOUBT = 0.3
"""Variance of what a click says, in that of the field: clicks side by side are not taken for
noise-free, or small differences between them would swing the field."""

LIKENESS = 0.5
"""Standard deviations of the image by which a voxel may differ and still count as alike."""

WIDE, WIDER = 0.2, 8 / 3
"""Share of a click's effect that reaches further, and by how many times: where a model missed one
piece of a border, it mostly missed some of the rest."""

UNLIKE = 0.5
"""How much of a click's effect reaches what does not look like its voxel."""


def corrected(
    scores: Array,
    image: Array,
    seeds: Sequence[Seed],
    reach_mm: float,
    spacing_mm: Sequence[float],
) -> Array:
    """The scores with a smooth field added that makes each seed's classes win at its voxel.

    The field is the mean of a Gaussian process (simple kriging, Rasmussen & Williams 2006,
    eq. 2.25) seen at the seeds: near in space and alike in the image means changed alike. No
    order among seeds exists. It fades to 0 at `FAR`.

    Args:
        scores: (K, X, Y, Z), logarithms of probabilities or alike.
        image: (C, X, Y, Z), standardized.
        seeds: On these voxels.
        reach_mm: Standard deviation of the Gaussian in space.
        spacing_mm: Millimetres per voxel along each axis.
    """
    at = tuple(np.transpose([seed.voxel for seed in seeds]))
    missing = np.stack([_missing(scores[(slice(None), *s.voxel)], s) for s in seeds])
    places, looks = np.transpose(at) * np.asarray(spacing_mm), image[(slice(None), *at)].T
    apart = ((places[:, None] - places) ** 2).sum(axis=-1)
    alike = ((looks[:, None] - looks) ** 2).mean(axis=-1)
    covariance = _covariance(apart, alike, reach_mm) + DOUBT * np.eye(len(seeds))
    weights = np.linalg.solve(covariance, missing)
    result = scores.copy()
    for seed, weight, look in zip(seeds, weights, looks, strict=True):
        unlike = ((image - look[:, None, None, None]) ** 2).mean(axis=0)
        effect = _covariance(squared_mm(scores.shape[1:], seed, spacing_mm), unlike, reach_mm)
        for k in np.flatnonzero(weight):
            result[k] += weight[k] * effect
    near = nearness(scores.shape[1:], seeds, reach_mm, spacing_mm)
    faded: Array = near * result + (1 - near) * scores
    return faded


def nearness(
    shape: Sequence[int], seeds: Sequence[Seed], reach_mm: float, spacing_mm: Sequence[float]
) -> Array:
    """How near a voxel is to any seed: 1 within its reach and a little more, 0 from `FAR` on."""
    squared = np.minimum.reduce([squared_mm(shape, seed, spacing_mm) for seed in seeds])
    least = np.exp(-(FAR**2) / 8)
    near: Array = np.clip(3 * (np.exp(-squared / (8 * reach_mm**2)) - least), 0, 1)
    return near


def squared_mm(shape: Sequence[int], seed: Seed, spacing_mm: Sequence[float]) -> Array:
    """Squared distances from a seed, (X, Y, Z)."""
    x, y, z = (
        ((np.arange(n) - i) * mm) ** 2
        for n, i, mm in zip(shape, seed.voxel, spacing_mm, strict=True)
    )
    squared: Array = x[:, None, None] + y[:, None] + z
    return squared


def _missing(scores: Array, seed: Seed) -> npt.NDArray[np.float64]:
    """By how much each class has to rise or fall at a seed."""
    change = np.zeros(len(scores))
    best = seed.best(scores.tolist())
    others = [k for k in range(len(scores)) if k not in seed.allowed]
    if not others:
        return change
    if len(seed.allowed) == 1:
        strongest = max(others, key=lambda k: scores[k])
        step = (1 + BEYOND) * max(float(scores[strongest] - scores[best]), LEAST) / 2
        change[best], change[strongest] = step, -step
        return change
    for k in others:
        change[k] = -(1 + BEYOND) * max(float(scores[k] - scores[best]), LEAST)
    return change


def _covariance(squared_mm: Array, unlike: Array, reach_mm: float) -> Array:
    looks = UNLIKE + (1 - UNLIKE) * np.exp(-unlike / (2 * LIKENESS**2))
    own, wider = (np.exp(-squared_mm / (2 * mm**2)) for mm in (reach_mm, WIDER * reach_mm))
    covariance: Array = ((1 - WIDE) * own + WIDE * wider) * looks
    return covariance
