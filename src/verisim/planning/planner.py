"""From a fingerprint to a plan: nnU-Net's rules in order (Isensee 2021)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod

import numpy as np

from verisim.card import Configuration as Name
from verisim.card import ModelCard
from verisim.dataset import Dataset
from verisim.fingerprint import ORIENTATION, Fingerprint, fingerprint_of
from verisim.planning.channels import normalizations
from verisim.planning.configuration import Configuration
from verisim.planning.explain import (
    LOWRES_SHARE,
    Choice,
    coarser_spacing,
    median_spacing,
    no_lowres,
    reasons,
    slices,
)
from verisim.planning.memory import REFERENCE_GB, Budget, preset_of
from verisim.planning.patch import fit, scaled, slices_of
from verisim.planning.plans import Plan
from verisim.planning.spacing import Grid, target_grid
from verisim.planning.topology import SIMILAR, Sizes
from verisim.preprocessing import Preprocessing

SPACING_STEP = 1.03
"""By which the spacing of low resolution grows until a patch sees enough."""

LOWRES_GAIN = 2
"""Low resolution must have so many times fewer voxels, or it is not worth a network."""

CUBIC = 3
"""Order of the spline that resamples intensities."""

DECIMALS = 6
"""Of a written spacing: nanometres."""


def make_plan(
    fingerprint: Fingerprint, memory_gb: float = REFERENCE_GB, preset: str = "plain"
) -> Plan:
    """Plan all networks that suit a data set.

    Args:
        fingerprint: What the data set looks like.
        memory_gb: Of the graphics card that will train; nnU-Net's own figure is 8.
        preset: "plain", or "residual" for nnU-Net's ResEnc M.

    Raises:
        BadInput: The memory is too little, or there is no such preset.
        BadDataset: A CT channel has one single intensity.
    """
    classes = len(fingerprint.labels) + 1
    budget = Budget(memory_gb, preset_of(preset), len(fingerprint.channels), classes)
    grid = target_grid(fingerprint)
    slicewise = _chosen(fingerprint, slices_of(grid), _voxels(fingerprint, grid), budget)
    flat = _configuration("2d", slicewise, True, slices(slicewise))
    volumes = _in_depth(fingerprint, grid, budget) if grid.has_depth else ()
    return Plan(
        data=fingerprint.data,
        channels=fingerprint.channels,
        labels=dict(fingerprint.labels),
        cases=len(fingerprint.cases),
        memory_gb=memory_gb,
        preset=budget.preset.name,
        median_spacing_mm=_rounded(np.median(fingerprint.spacings_mm, axis=0)),
        median_shape=_rounded(np.median(fingerprint.shapes, axis=0)),
        relative_size=fingerprint.relative_size,
        intensities=fingerprint.intensities,
        configurations=(flat, *volumes),
    )


def plan(dataset: Dataset, name: str) -> ModelCard:
    """The untrained model that a data set asks for, light enough for a processor.

    Args:
        dataset: Labelled cases.
        name: Of the model, lower case with dashes.
    """
    made = make_plan(fingerprint_of(dataset))
    return made.card(name, made.default.lighter())


def _in_depth(fingerprint: Fingerprint, grid: Grid, budget: Budget) -> tuple[Configuration, ...]:
    """Full resolution, and below it low resolution and the cascade of both."""
    full = _chosen(fingerprint, grid, _voxels(fingerprint, grid), budget)
    low = _lowres(full)
    spacing = median_spacing(full)
    if low is None:
        return (_configuration("3d_fullres", full, False, spacing, no_lowres(full)),)
    fullres = _configuration("3d_fullres", full, True, spacing)
    follows = (
        "a cascade because 3d_lowres sees the surroundings and full resolution the details: the "
        "label map of the first is given to the second, whose numbers are those of 3d_fullres"
    )
    return (
        fullres,
        _configuration("3d_lowres", low, False, coarser_spacing(low, full)),
        replace(
            fullres,
            name="3d_cascade_fullres",
            previous="3d_lowres",
            reasons=(follows, *fullres.reasons),
        ),
    )


def _lowres(full: Choice) -> Choice | None:
    """The finest resolution at which a patch covers a quarter of the median volume."""
    low, spacing, voxels = full, full.grid.spacing_mm, full.grid.voxels
    while low.fit.voxels / voxels < LOWRES_SHARE:
        spacing = _grown(spacing)
        voxels = full.grid.voxels * prod(full.grid.spacing_mm) / prod(spacing)
        grid = scaled(full.grid, spacing)
        total = voxels * len(full.fingerprint.cases)
        low = _chosen(full.fingerprint, grid, total, full.budget)
    return low if full.grid.voxels / voxels >= LOWRES_GAIN else None


def _grown(spacing: Sizes) -> Sizes:
    """The finer axes grow until they are within a factor of two, then all do."""
    coarsest = max(spacing)
    fine = [coarsest / side > SIMILAR for side in spacing]
    x, y, z = (
        side * SPACING_STEP if grows or not any(fine) else side
        for side, grows in zip(spacing, fine, strict=True)
    )
    return x, y, z


def _chosen(fingerprint: Fingerprint, grid: Grid, voxels: float, budget: Budget) -> Choice:
    return Choice(fingerprint, grid, fit(grid, voxels, budget), budget)


def _configuration(name: Name, choice: Choice, batch_dice: bool, *why: str) -> Configuration:
    counted = "all patches of a step together" if batch_dice else "every patch by itself"
    x, y, z = _rounded(choice.grid.spacing_mm)
    along = (x, y, z) if not choice.grid.flat else _without(choice.grid.slice_axis, (x, y, z))
    return Configuration(
        name=name,
        preprocessing=Preprocessing(
            orientation=ORIENTATION,
            spacing_mm=along,
            normalization=normalizations(choice.fingerprint),
            crop=True,
            order=CUBIC,
        ),
        patch_size=choice.fit.patch_size,
        network=choice.fit.network,
        batch_size=choice.fit.batch_size,
        batch_dice=batch_dice,
        median_shape=choice.grid.shape,
        reasons=(*why, *reasons(choice), f"Dice over {counted}"),
    )


def _without(axis: int, spacing: Sizes) -> Sizes:
    x, y, z = (0.0 if number == axis else side for number, side in enumerate(spacing))
    return x, y, z


def _voxels(fingerprint: Fingerprint, grid: Grid) -> float:
    return grid.voxels * len(fingerprint.cases)


def _rounded(values: Iterable[float]) -> Sizes:
    x, y, z = (round(float(value), DECIMALS) for value in values)
    return x, y, z
