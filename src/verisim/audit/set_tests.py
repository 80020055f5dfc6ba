"""Tests of whole sets in a space of features: they see that a set copies, and name nobody."""

from __future__ import annotations

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import mannwhitneyu

from verisim.audit.findings import SetTests
from verisim.errors import BadInput
from verisim.metrics.fidelity import Features

CELLS = 3
"""Parts of the training set that are compared alone (Jiralerspong 2023)."""

FEWEST_IN_CELL = 20
"""Synthetic cases of a cell that counts."""

ROUNDS = 50
"""Of fitting the widths of Gaussians."""

LEAST_WIDTH = 1e-6
"""Variance of a Gaussian, in units of the features' own."""


def set_tests(
    training: Features, held_out: Features, synthetic: Features, seed: int = 0
) -> SetTests:
    """All of them.

    Args:
        training: (N, D), e.g. `verisim.embedding.Embedding` of the training cases.
        held_out: (H, D).
        synthetic: (S, D).
        seed: Of the cells, and of the subsets where sizes must be equal.

    Raises:
        BadInput: Fewer than three cases in one of them, or another number of features.
    """
    clouds = (training, held_out, synthetic)
    if len({cloud.shape[1] for cloud in clouds}) > 1 or min(map(len, clouds)) < 3:
        raise BadInput(
            f"Features of the shapes {', '.join(str(cloud.shape) for cloud in clouds)} cannot be "
            "compared.",
            "Take three cases or more of each set, and the same features of all.",
        )
    size = min(map(len, clouds))
    draw = np.random.default_rng(seed)
    known, real, made = (cloud[draw.permutation(len(cloud))[:size]] for cloud in clouds)
    return SetTests(
        c_t=data_copying(training, held_out, synthetic, seed),
        authenticity=authenticity(training, synthetic),
        real_authenticity=authenticity(training, held_out),
        adversarial_training=adversarial_accuracy(known, made),
        adversarial_held_out=adversarial_accuracy(real, made),
        fld_gap=likelihood_gap(training, held_out, synthetic),
    )


def data_copying(
    training: Features, held_out: Features, synthetic: Features, seed: int = 0
) -> float:
    """C_T: ranks of distances to the nearest training case (Meehan 2020, eq. 3).

    Far below 0: synthetic cases are closer than held-out ones; far above: further away. It is 0
    where no cell has enough synthetic cases and a held-out one.

    Args:
        training: (N, D).
        held_out: (H, D).
        synthetic: (S, D).
        seed: Of the cells.
    """
    centres, _ = kmeans2(training, CELLS, minit="++", seed=seed)
    near = [cdist(cloud, training).min(axis=1) for cloud in (held_out, synthetic)]
    where = [cdist(cloud, centres).argmin(axis=1) for cloud in (held_out, synthetic)]
    total, weights = 0.0, 0.0
    for cell in range(CELLS):
        theirs, ours = (d[place == cell] for d, place in zip(near, where, strict=True))
        if len(ours) >= FEWEST_IN_CELL and len(theirs):
            total += len(theirs) * _ranks(ours, theirs)
            weights += len(theirs)
    return total / weights if weights else 0.0


def authenticity(training: Features, cases: Features) -> float:
    """Share of cases further from their nearest training case than another training case is
    (Alaa 2022, as the authors of FLD correct it)."""
    between = cdist(training, training)
    np.fill_diagonal(between, np.inf)
    to_training = cdist(cases, training)
    nearest = to_training.argmin(axis=1)
    return float((between.min(axis=1)[nearest] < to_training.min(axis=1)).mean())


def adversarial_accuracy(real: Features, made: Features) -> float:
    """How well a nearest neighbour tells two sets of one size apart: 0.5 is not at all, less is
    copying (Yale 2020, eq. 1).

    Args:
        real: (N, D).
        made: (N, D).
    """
    across = cdist(real, made)
    within = [cdist(cloud, cloud) for cloud in (real, made)]
    for table in within:
        np.fill_diagonal(table, np.inf)
    first = across.min(axis=1) > within[0].min(axis=1)
    second = across.min(axis=0) > within[1].min(axis=1)
    return float((first.mean() + second.mean()) / 2)


def likelihood_gap(training: Features, held_out: Features, synthetic: Features) -> float:
    """100 (NLL of training - NLL of held-out) a feature, below 0 where training cases are
    likelier (Jiralerspong 2023, section 3).

    A Gaussian stands on every synthetic case, as wide as makes the training cases likeliest: one
    on a copy becomes narrow.

    Args:
        training: (N, D).
        held_out: (H, D).
        synthetic: (S, D).
    """
    scale = training.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    known, real, made = (cloud / scale for cloud in (training, held_out, synthetic))
    near, far = cdist(known, made, "sqeuclidean"), cdist(real, made, "sqeuclidean")
    size = training.shape[1]
    widths = np.full(len(made), near.mean() / size)
    for _ in range(ROUNDS):
        logs = _log_densities(near, widths, size)
        shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        weight = shares.sum(axis=0)
        fitted = (shares * near).sum(axis=0) / np.maximum(size * weight, 1e-12)
        widths = np.where(weight > 1e-9, np.maximum(fitted, LEAST_WIDTH), widths)
    likely = [logsumexp(_log_densities(d, widths, size), axis=1).mean() for d in (near, far)]
    return float(100 * (likely[1] - likely[0]) / size)


def _ranks(ours: Features, theirs: Features) -> float:
    """Z of Mann and Whitney's U; below 0 where ours are smaller."""
    n, m = len(ours), len(theirs)
    u = float(mannwhitneyu(ours, theirs).statistic)
    return (u - (n * m / 2 - 0.5)) / float(np.sqrt(n * m * (n + m + 1) / 12))


def _log_densities(squares: Features, widths: Features, size: int) -> Features:
    """Of each case (rows) under each Gaussian (columns), but for what is the same everywhere."""
    densities: Features = -squares / (2 * widths) - size / 2 * np.log(widths)
    return densities
