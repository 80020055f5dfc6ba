"""Clicks as channels: whatever their order, and where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from verisim.errors import BadCard
from verisim.networks.clicks import ClickUNet, click_maps, one_hot_channels
from verisim.networks.unet import UNet

SHAPE, SPACING = (12, 14, 10), (1.0, 1.0, 2.0)
PLACES = np.array([[3.0, 4, 5], [8, 9, 4]])
SAYS = np.array([[-1, 1, -1], [0, -1, 0]], np.int8)
STAGES = UNet((4, 8), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3),) * 2, 1)


def test_a_click_says_all_of_it_at_its_own_voxel() -> None:
    maps = click_maps(PLACES[:1], SAYS[:1], SHAPE, SPACING, 2.0)
    assert maps.shape == (3, *SHAPE)
    np.testing.assert_array_equal(maps[:, 3, 4, 5], SAYS[0])
    assert np.abs(maps).max() == 1
    assert abs(maps[0, 0, 0, 0]) < 0.1


def test_the_order_of_the_clicks_does_not_matter() -> None:
    one = click_maps(PLACES, SAYS, SHAPE, SPACING, 2.0)
    np.testing.assert_array_equal(one, click_maps(PLACES[::-1], SAYS[::-1], SHAPE, SPACING, 2.0))


def test_a_click_elsewhere_is_the_same_map_elsewhere() -> None:
    one = click_maps(PLACES, SAYS, SHAPE, SPACING, 1.0)
    moved = click_maps(PLACES + np.array([0, 2, 0]), SAYS, SHAPE, SPACING, 1.0)
    np.testing.assert_allclose(moved[:, :, 2:], one[:, :, :-2], atol=1e-6)


def test_a_click_reaches_as_far_in_mm_along_every_axis() -> None:
    maps = click_maps(PLACES[:1], SAYS[:1], SHAPE, SPACING, 2.0)
    assert maps[1, 5, 4, 5] == pytest.approx(maps[1, 3, 4, 6])


def test_without_clicks_nothing_is_said() -> None:
    assert not click_maps(np.zeros((0, 3)), np.zeros((0, 3), np.int8), SHAPE, SPACING, 2.0).any()


def test_one_channel_a_class() -> None:
    channels = one_hot_channels(np.array([[[0, 2]]], np.uint8), 3)
    np.testing.assert_array_equal(channels[:, 0, 0], [[1, 0], [0, 0], [0, 1]])


def test_the_network_sees_image_label_map_and_clicks() -> None:
    network = ClickUNet(STAGES, 2.0).build(2, 3)
    assert network(torch.zeros(1, 2 + 2 * 3, 8, 8, 8)).shape == (1, 3, 8, 8, 8)


def test_a_click_without_width_is_refused() -> None:
    with pytest.raises(BadCard):
        ClickUNet(STAGES, 0.0)
