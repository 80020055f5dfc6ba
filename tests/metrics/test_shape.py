"""Figures of bodies whose figures are known."""

from math import isnan, pi

import numpy as np
import pytest

from tests.conftest import affine_of
from verisim.metrics.shape import border_mm2, shape_of, sphericity
from verisim.volume import LabelMap


def a_ball(radius_mm: float, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    sides = [np.arange(-20, 21) * side for side in spacing_mm]
    x, y, z = np.meshgrid(*sides, indexing="ij")
    inside: np.ndarray = x**2 + y**2 + z**2 <= radius_mm**2
    return inside


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.7, 1.0, 1.2)])
def test_a_ball_is_round_and_a_cube_less(spacing_mm: tuple[float, float, float]) -> None:
    assert sphericity(a_ball(12, spacing_mm), spacing_mm) > 0.9
    cube = np.zeros((20, 20, 20), bool)
    cube[3:17, 3:17, 3:17] = True
    assert sphericity(cube, (1, 1, 1)) == pytest.approx((pi / 6) ** (1 / 3), abs=0.05)
    bar = np.zeros((60, 8, 8), bool)
    bar[2:58, 2:6, 2:6] = True
    assert sphericity(bar, (1, 1, 1)) < 0.6


def test_nothing_has_no_shape() -> None:
    assert isnan(sphericity(np.zeros((4, 4, 4), bool), (1, 1, 1)))


def test_the_border_of_two_boxes_is_their_common_face() -> None:
    one, other = np.zeros((2, 10, 10, 10), bool)
    one[2:5, 2:8, 3:7] = True
    other[5:9, 2:8, 3:7] = True
    assert border_mm2(one, other, (1.0, 2.0, 0.5)) == pytest.approx(6 * 2.0 * 4 * 0.5)
    assert border_mm2(one, np.roll(other, 1, axis=0), (1.0, 2.0, 0.5)) == 0


def test_a_label_map_has_a_volume_and_a_shape_of_each_label_and_a_border() -> None:
    array = np.zeros((10, 10, 10), np.uint8)
    array[2:5, 2:8, 3:7], array[5:9, 2:8, 3:7] = 1, 2
    found = shape_of(LabelMap(array, affine_of((1.0, 1.0, 2.0)), {"one": 1, "two": 2}))
    assert found["one ml"] == pytest.approx(3 * 6 * 4 * 2 / 1000)
    assert found["one-two border mm2"] == pytest.approx(6 * 4 * 2)
    assert set(found) == {
        *("one ml", "one sphericity", "two ml", "two sphericity", "one-two border mm2")
    }
