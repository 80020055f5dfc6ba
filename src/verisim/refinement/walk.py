"""Probabilities that follow the edges of the image: random walks with priors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import cg

from verisim.progress import Progress
from verisim.refinement.clicks import Seed
from verisim.volume import Array

EDGE = 5.0
"""Above 0, how little is carried over an edge of the image; see `edges`."""

OPEN = 1e-3
"""What is carried even over the sharpest edge."""

PRIOR = 0.2
"""How much a voxel trusts its own probability, beside the 1 of a neighbour that looks alike."""

PINNED = 1e3
"""The same at a seed, where the reader has said what is right."""

ENOUGH, MOST_STEPS = 1e-3, 50
"""Where the solver may stop: relative residual, and steps."""


def walked(
    probabilities: Array,
    image: Array,
    seeds: Sequence[Seed],
    spacing_mm: Sequence[float],
    progress: Progress,
) -> Array:
    """Where a random walker ends that starts at a voxel, and shuns edges (Grady 2005, eq. 11).

    (L + Λ) u = Λ p for each class: L is the Laplacian of the image's edges, Λ how much each
    voxel trusts its prior p. Solved by conjugate gradients, of all classes but background,
    which has what is left.

    Args:
        probabilities: (K, X, Y, Z), background first.
        image: (C, X, Y, Z), standardized.
        seeds: Their voxels get one of their own classes.
        spacing_mm: Millimetres per voxel along each axis.
        progress: Hears of every class.
    """
    prior, trust = probabilities.copy(), np.full(image[0].size, PRIOR)
    for seed in seeds:
        at = (slice(None), *seed.voxel)
        prior[at] = _said(prior[at], seed)
        trust[np.ravel_multi_index(seed.voxel, image.shape[1:])] = PINNED
    system = (_laplacian(image, spacing_mm) + sparse.diags(trust)).tocsr()
    rescaled = sparse.diags(1 / system.diagonal())
    result = np.empty_like(prior)
    for k in range(1, len(prior)):
        progress.advance(k - 1, len(prior) - 1, "following edges")
        flat = prior[k].ravel()
        found, _ = cg(system, trust * flat, flat, rtol=ENOUGH, maxiter=MOST_STEPS, M=rescaled)
        result[k] = found.reshape(prior[k].shape)
    result[0] = 1 - result[1:].sum(axis=0)
    return result


def _said(probabilities: Array, seed: Seed) -> Array:
    """The probabilities at a seed, of its own classes alone."""
    left = np.zeros_like(probabilities)
    allowed = list(seed.allowed)
    left[allowed] = probabilities[allowed]
    if left.sum() < ENOUGH:
        left[seed.best(probabilities.tolist())] = 1
    said: Array = left / left.sum()
    return said


def _laplacian(image: Array, spacing_mm: Sequence[float]) -> sparse.csr_array:
    """Of the grid of voxels, each bound to the next as far as both look alike."""
    shape = image.shape[1:]
    index = np.arange(np.prod(shape)).reshape(shape)
    ends = [[_along(index, a, end).ravel() for end in (0, 1)] for a in range(3)]
    start, stop = (np.concatenate(one) for one in zip(*ends, strict=True))
    bonds = np.concatenate([one.ravel() for one in _bonds(image, spacing_mm)])
    pairs = np.concatenate([start, stop]), np.concatenate([stop, start])
    table = sparse.coo_array((np.tile(bonds, 2), pairs), (index.size, index.size)).tocsr()
    return sparse.diags(table.sum(axis=1)) - table


def _bonds(image: Array, spacing_mm: Sequence[float]) -> Iterator[Array]:
    """Between neighbours along each axis: exp(-β d²) with the mean of all d² as the unit."""
    steps = [(np.diff(image, axis=a + 1) ** 2).mean(axis=0) for a in range(3)]
    usual = float(np.mean(np.concatenate([step.ravel() for step in steps]))) or 1.0
    for step, mm in zip(steps, spacing_mm, strict=True):
        yield (np.exp(-EDGE * step / usual) + OPEN) / mm**2


def _along(array: Array, axis: int, start: int) -> Array:
    """All but the last along an axis (start 0), or all but the first (start 1)."""
    cut = [slice(None)] * 3
    cut[axis] = slice(start, array.shape[axis] - 1 + start)
    return array[tuple(cut)]
