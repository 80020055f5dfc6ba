"""Laws of volumes: what stays when the grid changes."""

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import affine_of
from verisim.errors import BadGeometry, UnsupportedVolume
from verisim.volume import LabelMap, Volume

OBLIQUE = affine_of((1.0, 1.5, 2.0), (-10.0, 20.0, 5.0), degrees=20)
FLIPPED = affine_of((-1.0, 1.5, -2.0), (30.0, 0.0, 0.0))
PERMUTED = FLIPPED[:, [2, 0, 1, 3]]
AFFINES = pytest.mark.parametrize(
    "affine", [np.eye(4), OBLIQUE, FLIPPED, PERMUTED, OBLIQUE[:, [1, 2, 0, 3]]]
)
ORIENTATIONS = pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAR", "ILP", "ASR"])


def a_field(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """An intensity that is linear in the place (3, N) mm."""
    values: npt.NDArray[np.float64] = np.array([2.0, -3.0, 0.5]) @ points + 100
    return values


def places(volume: Volume) -> npt.NDArray[np.float64]:
    """RAS+ mm of every voxel, (3, N)."""
    index = np.indices(volume.spatial_shape).reshape(3, -1)
    found: npt.NDArray[np.float64] = volume.affine[:3, :3] @ index + volume.affine[:3, 3:]
    return found


def a_ramp(affine: npt.NDArray[np.float64], shape: tuple[int, int, int] = (12, 10, 8)) -> Volume:
    """A volume that shows `a_field`."""
    grid = Volume(np.zeros(shape), affine)
    return grid.new(a_field(places(grid)).reshape(shape))


def assert_shows_the_field(volume: Volume, inside: Volume, margin_mm: float = 0.0) -> None:
    """Every voxel centre within the centres of `inside` holds the field's value there."""
    index = np.linalg.inv(inside.affine) @ np.vstack([places(volume), np.ones(volume.array.size)])
    margin = margin_mm / np.array(inside.spacing_mm)[:, None]
    last = np.array(inside.spatial_shape)[:, None] - 1
    within = ((index[:3] >= margin - 1e-6) & (index[:3] <= last - margin + 1e-6)).all(axis=0)
    assert within.sum() > 20
    np.testing.assert_allclose(
        volume.array.ravel()[within], a_field(places(volume))[within], rtol=1e-6
    )


def centre_mm(volume: Volume) -> npt.NDArray[np.float64]:
    """RAS+ mm of the middle of the box."""
    middle = (np.array(volume.spatial_shape) - 1) / 2
    centre: npt.NDArray[np.float64] = volume.affine[:3, :3] @ middle + volume.affine[:3, 3]
    return centre


def test_resampling_to_the_same_grid_changes_nothing(a_volume: Volume) -> None:
    for same in (a_volume.resampled_like(a_volume), a_volume.resampled(a_volume.spacing_mm)):
        np.testing.assert_array_equal(same.array, a_volume.array)
        assert same.shares_grid(a_volume)


@AFFINES
def test_half_the_spacing_and_back_keeps_a_linear_ramp(affine: npt.NDArray[np.float64]) -> None:
    ramp = a_ramp(affine)
    x, y, z = ramp.spacing_mm
    back = ramp.resampled((x / 2, y / 2, z / 2)).resampled_like(ramp)
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(back.array[inner], ramp.array[inner], rtol=1e-9)


@AFFINES
@pytest.mark.parametrize("spacing", [(0.7, 0.7, 0.7), (2.0, 1.0, 3.3), (1.3, 5.0, 0.4)])
def test_resampling_keeps_the_box_and_meets_the_spacing_as_nearly_as_whole_voxels_allow(
    affine: npt.NDArray[np.float64], spacing: tuple[float, float, float]
) -> None:
    volume = a_ramp(affine)
    resampled = volume.resampled(spacing)
    np.testing.assert_allclose(centre_mm(resampled), centre_mm(volume), atol=1e-9)
    np.testing.assert_allclose(resampled.extent_mm, volume.extent_mm)
    voxels = np.divide(volume.extent_mm, spacing)
    assert np.all(np.abs(resampled.spatial_shape - np.maximum(1, voxels)) <= 0.5 + 1e-9)


@AFFINES
@ORIENTATIONS
def test_reorienting_and_back_returns_array_and_affine(
    affine: npt.NDArray[np.float64], orientation: str
) -> None:
    volume = a_ramp(affine)
    turned = volume.reoriented(orientation)
    assert turned.orientation == orientation
    back = turned.reoriented(volume.orientation)
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-12)


@AFFINES
def test_a_place_keeps_its_intensity_however_the_grid_changes(
    affine: npt.NDArray[np.float64],
) -> None:
    ramp = a_ramp(affine)
    other = Volume(np.zeros((9, 9, 9)), affine_of((0.9, 1.1, 1.0), centre_mm(ramp) - 4, 35))
    assert_shows_the_field(ramp.reoriented("PIR"), inside=ramp)
    assert_shows_the_field(ramp.cropped((slice(2, 9), slice(-7, None), slice(1, 6))), inside=ramp)
    assert_shows_the_field(ramp.resampled((0.8, 1.7, 1.1)), inside=ramp)
    assert_shows_the_field(ramp.resampled_like(other), inside=ramp)


def test_channels_are_resampled_each_by_itself() -> None:
    ramp = a_ramp(OBLIQUE)
    both = ramp.new(np.stack([ramp.array, -ramp.array]))
    for change in (lambda v: v.resampled((1.0, 1.0, 1.0)), lambda v: v.reoriented("LIP")):
        np.testing.assert_array_equal(change(both).array[0], change(ramp).array)
        np.testing.assert_allclose(change(both).array[1], -change(ramp).array)
    assert both.channels == 2


def test_a_shift_by_whole_voxels_moves_the_voxels(a_volume: Volume) -> None:
    shifted = a_volume.affine.copy()
    shifted[:3, 3] += shifted[:3, :3] @ [2, -1, 3]
    moved = a_volume.resampled_like(Volume(a_volume.array, shifted)).array
    rolled = np.roll(a_volume.array, (-2, 1, -3), axis=(0, 1, 2))
    np.testing.assert_allclose(moved[:-2, 1:, :-3], rolled[:-2, 1:, :-3], rtol=1e-6)


def test_a_label_map_never_gets_a_new_value(a_label_map: LabelMap) -> None:
    sparse = a_label_map.apply(lambda array: array * 100)
    other = Volume(np.zeros((20, 20, 20)), affine_of((0.8, 0.8, 0.8), (-12.0, 18.0, 3.0), 15))
    for changed in (sparse.resampled((0.7, 0.7, 0.7)), sparse.resampled_like(other)):
        assert set(np.unique(changed.array)) == {0, 100, 200}
        assert changed.labels == a_label_map.labels


def test_beyond_its_border_a_label_map_is_background() -> None:
    full = LabelMap(np.ones((4, 4, 4), np.uint8), np.eye(4), {"all": 1})
    wider = full.resampled_like(Volume(np.zeros((8, 8, 8)), affine_of(origin=(-2.0, -2.0, -2.0))))
    assert wider.array.sum() == full.array.sum()
    np.testing.assert_array_equal(wider.array[2:6, 2:6, 2:6], 1)


@ORIENTATIONS
def test_volumes_in_ml_do_not_depend_on_the_orientation(
    a_label_map: LabelMap, orientation: str
) -> None:
    turned = a_label_map.reoriented(orientation)
    assert turned.volumes_ml == pytest.approx(a_label_map.volumes_ml)
    assert a_label_map.volumes_ml["anterior"] == pytest.approx(4 * 4 * 3 * 3.0 / 1000)


def sheared(by: float) -> npt.NDArray[np.float64]:
    """An affine whose second axis leans along the first."""
    affine = np.eye(4)
    affine[0, 1] = by
    return affine


@pytest.mark.parametrize(
    "affine",
    [
        sheared(0.1),
        sheared(0.002),
        sheared(1.0) @ np.diag([1, 0, 1, 1]),
        np.diag([1.0, 1.0, 0.0, 1.0]),
        np.diag([1.0, np.nan, 1.0, 1.0]),
        np.diag([1.0, np.inf, 1.0, 1.0]),
        np.ones((4, 4)),
        np.eye(3),
    ],
)
def test_a_sheared_singular_or_endless_affine_is_refused(affine: npt.NDArray[np.float64]) -> None:
    with pytest.raises(BadGeometry, match="affine"):
        Volume(np.zeros((2, 2, 2)), affine)


def test_the_rounding_of_a_float32_header_is_no_shear() -> None:
    rounded = affine_of((0.4297, 0.4297, 3.6), degrees=33).astype(np.float32)
    assert Volume(np.zeros((2, 2, 2)), rounded).spacing_mm == pytest.approx((0.4297, 0.4297, 3.6))


@pytest.mark.parametrize("shape", [(4,), (4, 4), (3, 0, 3), (2, 2, 2, 2, 2)])
def test_what_is_no_volume_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedVolume, match="shape"):
        Volume(np.zeros(shape), np.eye(4))


def test_a_label_map_of_fractions_is_refused() -> None:
    with pytest.raises(UnsupportedVolume, match="float64"):
        LabelMap(np.zeros((2, 2, 2)), np.eye(4))


def test_a_volume_cannot_be_changed(a_volume: Volume) -> None:
    with pytest.raises(ValueError, match="read-only"):
        a_volume.array[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        a_volume.affine[0, 0] = 1
    with pytest.raises(AttributeError, match="array"):
        a_volume.array = np.zeros((1, 1, 1))  # type: ignore[misc]  # that is the point


def test_grids_differ_when_a_corner_moves(a_volume: Volume) -> None:
    moved = a_volume.affine.copy()
    moved[0, 3] += 0.01
    assert not a_volume.shares_grid(a_volume.new(a_volume.array, moved))
    assert not a_volume.shares_grid(a_volume.cropped((slice(1, None), slice(None), slice(None))))
    assert a_volume.shares_grid(a_volume.new(a_volume.array + 1))
