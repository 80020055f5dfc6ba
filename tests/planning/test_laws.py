"""What must hold of every plan."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TypeVar

import numpy as np
import pytest

from tests.planning.fingerprints import CASES, MADE_UP, a_fingerprint, alike, random_one
from verisim.errors import BadDataset, BadInput
from verisim.fingerprint import CaseSize, Fingerprint, Intensities
from verisim.planning import Configuration, Plan, make_plan

Permutation = tuple[int, int, int]
T = TypeVar("T")

UNEQUAL = ("huge CT", "anisotropic MR", "few slices", "slices only", "random 4", "random 5")


def permuted(fingerprint: Fingerprint, axes: Permutation) -> Fingerprint:
    """The same cases with other axes first."""
    cases = (
        replace(case, spacing_mm=picked(case.spacing_mm, axes), shape=picked(case.shape, axes))
        for case in fingerprint.cases
    )
    return replace(fingerprint, cases=tuple(cases))


def picked(values: Sequence[T], axes: Permutation) -> tuple[T, T, T]:
    """A triple in another order."""
    first, second, third = axes
    return values[first], values[second], values[third]


def facts(one: Configuration, axes: Permutation = (0, 1, 2)) -> tuple[object, ...]:
    """All numbers of a configuration, with its axes in another order."""
    network = one.network
    return (
        one.name,
        picked(one.patch_size, axes),
        one.batch_size,
        network.features,
        [picked(stride, axes) for stride in network.strides],
        [picked(kernel, axes) for kernel in network.kernel_sizes],
        [round(side, 4) for side in picked(one.preprocessing.spacing_mm, axes)],
    )


@pytest.mark.parametrize("axes", [(1, 0, 2), (2, 0, 1), (0, 2, 1)])
@pytest.mark.parametrize("name", UNEQUAL)
def test_permuting_the_axes_of_every_case_permutes_the_plan(name: str, axes: Permutation) -> None:
    plain = make_plan(MADE_UP[name]).configurations
    turned = make_plan(permuted(MADE_UP[name], axes)).configurations
    assert [facts(one, axes) for one in plain] == [facts(one) for one in turned]


@pytest.mark.parametrize("name", UNEQUAL)
def test_scaling_all_spacings_scales_only_the_spacing(name: str) -> None:
    fingerprint = MADE_UP[name]
    cases = (
        replace(case, spacing_mm=tuple(2 * side for side in case.spacing_mm))
        for case in fingerprint.cases
    )
    for one, twice in zip(
        make_plan(fingerprint).configurations,
        make_plan(replace(fingerprint, cases=tuple(cases))).configurations,
        strict=True,
    ):
        doubled = tuple(2 * side for side in one.preprocessing.spacing_mm)
        preprocessing = replace(one.preprocessing, spacing_mm=doubled)
        assert facts(replace(one, preprocessing=preprocessing)) == facts(twice)


@pytest.mark.parametrize("name", ["huge CT", "anisotropic MR", "random 7"])
def test_more_memory_never_gives_a_smaller_patch(name: str) -> None:
    plans = [make_plan(MADE_UP[name], memory) for memory in (4, 8, 16, 32, 64)]
    for configuration in ("2d", "3d_fullres"):
        voxels = [prod(plan.configuration(configuration).patch_size) for plan in plans]
        assert voxels == sorted(voxels)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_the_cases_does_not_matter(seed: int) -> None:
    fingerprint = random_one(seed)
    turned = replace(fingerprint, cases=fingerprint.cases[::-1])
    assert make_plan(turned) == make_plan(fingerprint)


def test_a_batch_covers_no_more_than_a_twentieth_of_the_data() -> None:
    shapes = [(64, 64, 64)] * 100
    plans = [make_plan(a_fingerprint([(1, 1, 1)] * n, shapes[:n])) for n in (10, 40, 60, 100)]
    assert [plan.default.batch_size for plan in plans] == [2, 2, 3, 5]


def test_a_coarse_axis_takes_the_tenth_percentile_of_its_spacings() -> None:
    spacings = [(0.5, 0.5, z) for z in np.linspace(4, 8, CASES + 1)]
    made = make_plan(a_fingerprint(spacings, [(400, 400, 20)] * (CASES + 1)))
    assert made.default.preprocessing.spacing_mm == pytest.approx((0.5, 0.5, 4.4))
    assert made.median_spacing_mm == pytest.approx((0.5, 0.5, 6.0))


def test_an_axis_with_many_voxels_is_not_coarse() -> None:
    spacings = [(0.5, 0.5, z) for z in np.linspace(4, 8, CASES + 1)]
    made = make_plan(a_fingerprint(spacings, [(400, 400, 200)] * (CASES + 1)))
    assert made.default.preprocessing.spacing_mm == pytest.approx((0.5, 0.5, 6.0))


def test_slices_lie_across_the_axis_of_one_voxel_however_thin_it_is() -> None:
    made = make_plan(alike((1.0, 0.1, 1.0), (300, 1, 320)))
    assert made.names == ("2d",)
    assert made.default.patch_size == (320, 1, 320)
    assert made.default.preprocessing.spacing_mm[1] == 0
    assert all(kernel == (3, 1, 3) for kernel in made.default.network.kernel_sizes)


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [
        ((1, 1, 1), (5, 6, 7)),
        ((0.4, 2, 2), (9, 5, 5)),
        ((1, 1, 1), (1, 1, 1)),
        ((1, 1, 1), (9, 3, 3)),
    ],
)
def test_volumes_too_small_to_be_halved_are_given_a_patch_around_them(
    spacing: tuple[float, ...], shape: tuple[int, ...]
) -> None:
    made = make_plan(a_fingerprint([spacing] * CASES, [shape] * CASES))
    assert all(one.network.stages == 2 for one in made.configurations)
    assert max(made.default.patch_size) in (8, 10, 12)


@pytest.mark.parametrize("memory", [0.0, -1.0, float("nan"), 1e-4])
def test_too_little_memory_is_refused(memory: float) -> None:
    with pytest.raises(BadInput, match="GB"):
        make_plan(MADE_UP["huge CT"], memory)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(BadInput, match="plain, residual"):
        make_plan(MADE_UP["tiny"], preset="huge")


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("CT", "ct"),
        ("ct", "ct"),
        ("noNorm", "none"),
        ("rescale_to_0_1", "0-1"),
        ("rgb_to_0_1", "rgb"),
        ("zscore", "z-score"),
        ("T1", "z-score"),
    ],
)
def test_the_name_of_a_channel_decides_its_normalization(channel: str, kind: str) -> None:
    for relative_size in (0.7, 0.8):
        fingerprint = alike((1, 1, 1), (20, 20, 20), (channel,), relative_size=relative_size)
        (step,) = make_plan(fingerprint).default.preprocessing.normalization
        assert step.kind == kind
        assert step.masked == (kind == "z-score" and relative_size < 0.75)


def test_ct_is_normalized_with_the_statistics_of_the_data_set() -> None:
    (step,) = make_plan(MADE_UP["huge CT"]).default.preprocessing.normalization
    seen = MADE_UP["huge CT"].intensities[0]
    assert (step.mean, step.std, step.low, step.high) == (seen.mean, seen.std, seen.low, seen.high)


def test_ct_of_one_single_intensity_is_refused() -> None:
    same = Intensities(7.0, 7.0, 0.0, 7.0, 7.0, 7.0, 7.0)
    fingerprint = Fingerprint(
        "flat", ("CT",), {"liver": 1}, (CaseSize("0", (1, 1, 1), (9, 9, 9), 1.0),), (same,)
    )
    with pytest.raises(BadDataset, match="7 throughout"):
        make_plan(fingerprint)


def test_every_planned_network_fits_its_patch_and_can_be_built() -> None:
    plan: Plan = make_plan(MADE_UP["random 3"])
    for one in plan.configurations:
        sides = zip(one.patch_size, one.network.divisor, strict=True)
        assert all(side % unit == 0 for side, unit in sides)
        assert one.lighter().network.build(2, 3)
