"""Laws of the overlap and surface metrics, and a second way to the same numbers."""

import math

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from verisim.errors import BadGeometry, BadInput
from verisim.metrics import dice, hausdorff95_mm, surface_dice
from verisim.metrics.overlap import Mask

MM = (1.0, 1.0, 1.0)


@pytest.fixture
def a_cube() -> Mask:
    mask = np.zeros((20, 20, 20), dtype=bool)
    mask[6:14, 6:14, 6:14] = True
    return mask


@pytest.fixture
def nothing() -> Mask:
    return np.zeros((20, 20, 20), dtype=bool)


def a_blob(seed: int) -> Mask:
    noise = np.random.default_rng(seed).normal(size=(18, 20, 16))
    smooth = ndimage.gaussian_filter(noise, 2.5)
    blob: Mask = smooth > np.quantile(smooth, 0.8)
    return blob


def test_a_mask_agrees_perfectly_with_itself(a_cube: Mask) -> None:
    assert dice(a_cube, a_cube) == 1
    assert hausdorff95_mm(a_cube, a_cube, MM) == 0
    assert surface_dice(a_cube, a_cube, MM, 0) == 1


@pytest.mark.parametrize("seed", range(3))
def test_every_metric_is_symmetric(seed: int) -> None:
    one, other = a_blob(seed), a_blob(seed + 10)
    spacing = (1.0, 0.7, 2.0)
    assert dice(one, other) == dice(other, one)
    assert hausdorff95_mm(one, other, spacing) == hausdorff95_mm(other, one, spacing)
    assert surface_dice(one, other, spacing, 1) == pytest.approx(
        surface_dice(other, one, spacing, 1)
    )


def test_masks_apart_have_no_dice_and_halves_have_two_thirds(a_cube: Mask) -> None:
    half = a_cube.copy()
    half[10:] = False
    assert dice(half, a_cube) == pytest.approx(2 / 3)
    assert dice(half, a_cube & ~half) == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_is_measured_in_the_millimetres_of_its_axis(a_cube: Mask, axis: int) -> None:
    spacing = (2.0, 3.0, 0.5)
    shifted = np.roll(a_cube, 1, axis)
    assert hausdorff95_mm(shifted, a_cube, spacing) == pytest.approx(spacing[axis])


def test_a_2_mm_shift_is_forgiven_by_a_greater_tolerance_only(a_cube: Mask) -> None:
    shifted = np.roll(a_cube, 1, 0)
    spacing = (2.0, 2.0, 2.0)
    assert hausdorff95_mm(shifted, a_cube, spacing) == pytest.approx(2)
    assert surface_dice(shifted, a_cube, spacing, 2.1) == 1
    assert surface_dice(shifted, a_cube, spacing, 0.5) < 0.8


def test_surface_dice_grows_with_the_tolerance() -> None:
    shares = [surface_dice(a_blob(0), a_blob(10), MM, mm) for mm in (0, 0.5, 1, 2, 4, 40)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] == 1


@pytest.mark.parametrize("seed", range(4))
def test_hausdorff_equals_a_brute_force_search_over_surface_voxels(seed: int) -> None:
    one, other = a_blob(seed), a_blob(seed + 10)
    spacing = (0.8, 1.3, 2.1)
    expected = brute_force_hausdorff95_mm(one, other, spacing)
    assert hausdorff95_mm(one, other, spacing) == pytest.approx(expected, abs=1e-4)


def brute_force_hausdorff95_mm(
    one: Mask, other: Mask, spacing: tuple[float, float, float]
) -> float:
    first, second = (
        np.argwhere(mask & ~ndimage.binary_erosion(mask)) * spacing for mask in (one, other)
    )
    there, back = cKDTree(second).query(first)[0], cKDTree(first).query(second)[0]
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def test_background_around_the_masks_changes_nothing() -> None:
    one, other = a_blob(0), a_blob(10)
    wide_one, wide_other = np.pad(one, 7), np.pad(other, 7)
    assert hausdorff95_mm(one, other, MM) == hausdorff95_mm(wide_one, wide_other, MM)
    assert surface_dice(one, other, MM, 1) == surface_dice(wide_one, wide_other, MM, 1)


def test_two_empty_masks_have_nothing_to_compare(nothing: Mask) -> None:
    assert math.isnan(dice(nothing, nothing))
    assert math.isnan(hausdorff95_mm(nothing, nothing, MM))
    assert math.isnan(surface_dice(nothing, nothing, MM, 1))


def test_one_empty_mask_is_as_wrong_as_can_be(a_cube: Mask, nothing: Mask) -> None:
    for pair in ((a_cube, nothing), (nothing, a_cube)):
        assert dice(*pair) == 0
        assert hausdorff95_mm(*pair, MM) == math.inf
        assert surface_dice(*pair, MM, 100) == 0


def test_masks_of_different_shapes_are_refused(a_cube: Mask) -> None:
    other = a_cube[1:]
    with pytest.raises(BadGeometry, match=r"\(19, 20, 20\)"):
        dice(other, a_cube)
    with pytest.raises(BadGeometry):
        hausdorff95_mm(other, a_cube, MM)
    with pytest.raises(BadGeometry):
        surface_dice(other, a_cube, MM, 1)


@pytest.mark.parametrize("tolerance_mm", [-1.0, math.nan])
def test_a_tolerance_that_is_no_distance_is_refused(a_cube: Mask, tolerance_mm: float) -> None:
    with pytest.raises(BadInput, match="tolerance"):
        surface_dice(a_cube, a_cube, MM, tolerance_mm)
