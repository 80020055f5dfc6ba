"""The network's world looks the same, whichever way the volume came."""

import tracemalloc

import numpy as np
import pytest

from tests.conftest import affine_of
from verisim.errors import TooLarge, UnsupportedVolume
from verisim.normalization import Normalization
from verisim.preprocessing import Preprocessing
from verisim.volume import Volume

TO_1_MM = Preprocessing()


def test_each_channel_gets_mean_0_and_standard_deviation_1(a_volume: Volume) -> None:
    both = a_volume.new(np.stack([a_volume.array, 1000 + 7 * a_volume.array**2]))
    prepared = Preprocessing("RAS", a_volume.spacing_mm)(both)
    assert prepared.array.dtype == np.float32
    assert prepared.array.shape == (2, *a_volume.spatial_shape)
    np.testing.assert_allclose(prepared.array.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(prepared.array.std(axis=(1, 2, 3)), 1, atol=1e-5)


@pytest.mark.parametrize(("scale", "offset"), [(3.0, 0.0), (0.01, 5.0), (2000.0, -1e5)])
def test_scale_and_offset_of_the_intensities_do_not_matter(
    a_volume: Volume, scale: float, offset: float
) -> None:
    changed = a_volume.apply(lambda array: array * np.float64(scale) + offset)
    np.testing.assert_allclose(TO_1_MM(changed).array, TO_1_MM(a_volume).array, atol=2e-3)


def test_whole_numbers_are_prepared_like_floats(a_volume: Volume) -> None:
    whole = a_volume.apply(lambda array: array.astype(np.int16))
    same = whole.apply(lambda array: array.astype(np.float64))
    np.testing.assert_array_equal(TO_1_MM(whole).array, TO_1_MM(same).array)


@pytest.mark.parametrize("orientation", ["LAS", "PIR", "SLA", "IPL"])
@pytest.mark.parametrize("degrees", [0.0, 15.0])
def test_a_flipped_or_permuted_volume_is_prepared_alike(
    a_volume: Volume, orientation: str, degrees: float
) -> None:
    volume = a_volume.new(a_volume.array, affine_of((1.0, 1.5, 2.0), degrees=degrees))
    straight, turned = TO_1_MM(volume), TO_1_MM(volume.reoriented(orientation))
    np.testing.assert_allclose(turned.array, straight.array, atol=1e-4)
    assert turned.shares_grid(straight)


def test_orientation_and_spacing_are_those_that_were_asked_for(a_volume: Volume) -> None:
    box = a_volume.reoriented("PSR").extent_mm  # of a whole number of voxels
    spacing = (box[0] / 7, box[1] / 13, box[2] / 31)
    prepared = Preprocessing("PSR", spacing)(a_volume)
    assert prepared.orientation == "PSR"
    assert prepared.spacing_mm == pytest.approx(spacing)


def test_without_normalization_the_intensities_stay(a_volume: Volume) -> None:
    kept = Preprocessing("RAS", a_volume.spacing_mm, (Normalization("none"),))(a_volume)
    np.testing.assert_array_equal(kept.array[0], a_volume.array)


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1])
def test_a_constant_volume_is_refused(a_volume: Volume, value: float) -> None:
    constant = a_volume.new(np.full(a_volume.spatial_shape, value))
    with pytest.raises(UnsupportedVolume, match=f"Channel 0 has the value {value:g}"):
        TO_1_MM(constant)


def test_a_value_that_single_precision_cannot_hold_is_refused(a_volume: Volume) -> None:
    array = a_volume.array.astype(np.float64)
    array[0, 0, 0] = 1e300
    with pytest.raises(UnsupportedVolume, match="1 of 960 voxels"):
        TO_1_MM(a_volume.new(array))


@pytest.mark.parametrize("scale", [1e-12, 1e30])
def test_the_unit_of_the_intensities_does_not_matter(a_volume: Volume, scale: float) -> None:
    scaled = a_volume.new(a_volume.array * np.float32(scale))
    np.testing.assert_allclose(TO_1_MM(scaled).array, TO_1_MM(a_volume).array, atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_refused(a_volume: Volume, bad: float) -> None:
    array = a_volume.array.copy()
    array[0, 0, :2] = bad
    with pytest.raises(UnsupportedVolume, match=f"2 of {array.size} voxels"):
        TO_1_MM(a_volume.new(array))


@pytest.mark.parametrize("spacing", [(100.0, 100.0, 100.0), (1.0, 1e6, 1.0)])
def test_a_box_too_large_for_memory_is_refused_before_anything_is_allocated(
    spacing: tuple[float, float, float],
) -> None:
    voxel = np.zeros((), np.uint8)
    huge = Volume(np.broadcast_to(voxel, (512, 512, 512)), affine_of(spacing))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="GiB are free"):
            TO_1_MM(huge)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_the_room_is_measured_along_the_volumes_own_axes() -> None:
    ramp = np.arange(200_000) // 1000
    long_in_x = Volume(
        np.broadcast_to(ramp.astype(np.uint8), (8, 8, 200_000)),
        affine_of((1.0, 1.0, 1.0))[:, [1, 2, 0, 3]],
    )
    prepared = Preprocessing("RAS", (2000.0, 1.0, 1.0))(long_in_x)
    assert prepared.array.shape == (1, 100, 8, 8)
