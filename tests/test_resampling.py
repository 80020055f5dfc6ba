"""The same box with more or fewer voxels, whole or row by row."""

import numpy as np
import pytest
from scipy import ndimage

from verisim import resampling
from verisim.resampling import linear_by_row, resample, slice_axis

SHAPES = pytest.mark.parametrize("shape", [(12, 9, 10), (24, 18, 20), (7, 20, 3), (1, 1, 1)])
SLICES = pytest.mark.parametrize("slices", [None, 0, 1, 2])


@pytest.fixture
def array() -> np.ndarray:
    """(12, 9, 10)."""
    return np.random.default_rng(0).normal(size=(12, 9, 10)).astype(np.float32)


@pytest.mark.parametrize("order", [1, 3])
@SLICES
def test_resampling_to_the_same_grid_changes_nothing(
    array: np.ndarray, order: int, slices: int | None
) -> None:
    np.testing.assert_array_equal(resample(array, array.shape, order, slices), array)


@pytest.mark.parametrize("order", [1, 3])
@SHAPES
@SLICES
def test_a_constant_stays_constant(
    shape: tuple[int, int, int], order: int, slices: int | None
) -> None:
    constant = np.full((12, 9, 10), 3.5, np.float32)
    np.testing.assert_allclose(resample(constant, shape, order, slices), 3.5, rtol=1e-6)


@pytest.mark.parametrize("order", [1, 3])
@SHAPES
def test_voxels_fill_the_same_box(
    array: np.ndarray, shape: tuple[int, int, int], order: int
) -> None:
    zoom = np.divide(shape, array.shape)
    expected = ndimage.zoom(array, zoom, order=order, mode="nearest", grid_mode=True)
    expected = np.clip(expected, array.min(), array.max())
    np.testing.assert_allclose(resample(array, shape, order), expected, atol=1e-5)


@SHAPES
def test_a_cubic_spline_never_leaves_the_range_of_the_array(
    array: np.ndarray, shape: tuple[int, int, int]
) -> None:
    resampled = resample(array, shape, 3)
    assert array.min() <= resampled.min()
    assert resampled.max() <= array.max()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_copied_not_blended(array: np.ndarray, axis: int) -> None:
    shape = list(array.shape)
    shape[axis] *= 3
    expected = np.repeat(array, 3, axis=axis)
    np.testing.assert_array_equal(resample(array, shape, 3, slices=axis), expected)


@pytest.mark.parametrize(
    ("spacings", "expected"),
    [
        ([(1, 1, 1)], None),
        ([(0.5, 0.5, 6)], 2),
        ([(6, 0.5, 0.5), (1, 1, 1)], 0),
        ([(1, 1, 1), (0.5, 6, 0.5)], 1),
        ([(0.24, 1.25, 1.25)], None),
        ([(1, 1, 3)], None),
    ],
)
def test_slices_far_apart_are_found(
    spacings: list[tuple[float, float, float]], expected: int | None
) -> None:
    assert slice_axis(*spacings) == expected


@SHAPES
@SLICES
@pytest.mark.parametrize("rows", [1, 5, 12])
@pytest.mark.parametrize("at_once", [1, 2**23])
def test_row_by_row_is_as_all_at_once(
    array: np.ndarray,
    shape: tuple[int, int, int],
    slices: int | None,
    rows: int,
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resampling, "VOXELS_AT_ONCE", at_once)
    both = np.stack([array, -array])
    blocks = (both[:, k : k + rows] for k in range(0, 12, rows))
    together = np.concatenate(list(linear_by_row(blocks, 12, shape, slices)), axis=1)
    expected = np.stack([resample(channel, shape, 1, slices) for channel in both])
    np.testing.assert_allclose(together, expected, atol=1e-5)
