"""Slices are turned within themselves, thick slices too; nnU-Net's rules of how far."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from verisim.training.augmentation import Augmentation, slice_axis_of


def patches(augmentation: Augmentation, seeds: int = 40) -> list[tuple[Tensor, Tensor, Tensor]]:
    """An image whose slices are told apart by their label, before and after."""
    size = augmentation.drawn_size
    axis = size.index(min(size))
    shape = [n if k == axis else 1 for k, n in enumerate(size)]
    label = torch.arange(1, size[axis] + 1, dtype=torch.int16).reshape(shape).expand(size)
    image = torch.tensor(np.random.default_rng(0).normal(size=(2, *size)).astype(np.float32))
    return [(image, *augmentation(image, label[None].clone(), seed)) for seed in range(seeds)]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_keeps_its_shape_along_every_axis(axis: int) -> None:
    sides = [24, 20]
    sides.insert(axis, 1)
    augmentation = Augmentation(sides, (0, 1, 2))
    assert augmentation.drawn_size[axis] == 1
    for before, image, label in patches(augmentation):
        assert tuple(image.shape) == (2, *sides)
        assert tuple(label.shape) == (1, *sides)
        assert image.isfinite().all()
        assert set(label.unique().tolist()) <= {0, 1}
        assert before.shape[1:] == augmentation.drawn_size


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_thick_slices_are_turned_within_themselves_only(axis: int) -> None:
    sides = [32, 32]
    sides.insert(axis, 8)
    augmentation = Augmentation(sides, (), slice_axis=axis)
    turned = 0
    for _, image, label in patches(augmentation):
        assert tuple(image.shape) == (2, *sides)
        for k, plane in enumerate(label[0].unbind(axis)):
            # a voxel of another slice never gets into this one
            assert set(plane.unique().tolist()) <= {0, k + 1}
        turned += bool((label == 0).any())
    assert turned > 0


def test_other_volumes_are_turned_through_their_slices() -> None:
    mixed = [
        set(label[0][0].unique().tolist())
        for _, _, label in patches(Augmentation((16, 24, 24), ()))
    ]
    assert any(len(values - {0}) > 1 for values in mixed)


def test_only_the_named_axes_of_a_slice_are_mirrored() -> None:
    augmentation = Augmentation((24, 1, 24), (2,))
    size = augmentation.drawn_size
    label = torch.zeros(1, *size, dtype=torch.int16)
    rising = torch.arange(float(size[0]))[None, :, None, None].expand(1, *size)
    falling = rising.permute(0, 3, 2, 1)
    still = [augmentation(rising, label, seed)[0][0, :, 0].mean(1) for seed in range(30)]
    flipped = [augmentation(falling, label, seed)[0][0, :, 0].mean(0) for seed in range(30)]
    kept = sum(bool(column[-4:].mean() > column[:4].mean()) for column in still)
    turned = sum(bool(row[-4:].mean() < row[:4].mean()) for row in flipped)
    # an isotropic slice may also be turned upside down, in one of ten
    assert kept > 22
    assert 8 < turned < 22


@pytest.mark.parametrize(
    ("patch", "spacing", "axis"),
    [
        ((40, 56, 40), (1.0, 1.0, 1.0), None),
        ((256, 256, 16), (0.5, 0.5, 6.0), 2),
        ((16, 256, 256), (6.0, 0.5, 0.5), 0),
        ((48, 48, 16), (0.7, 0.7, 3.0), None),
        # short, but along an axis of fine voxels: no slices
        ((16, 96, 96), (1.0, 1.0, 2.0), None),
    ],
)
def test_slices_are_thick_where_the_patch_is_three_times_shorter_across_them(
    patch: tuple[int, int, int], spacing: tuple[float, float, float], axis: int | None
) -> None:
    assert slice_axis_of(patch, spacing) == axis


def test_an_elongated_slice_is_turned_a_little_and_any_other_all_around() -> None:
    assert Augmentation((64, 32, 1)).drawn_size == (80, 40, 1)
    assert Augmentation((40, 32, 1)).drawn_size == (50, 50, 1)
    assert Augmentation((64, 32, 8), slice_axis=2).drawn_size == (80, 80, 8)
