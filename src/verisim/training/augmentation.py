"""nnU-Net's augmentation, by the library of nnU-Net v2 itself (Isensee 2021, supplement 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil, pi

import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.pseudo2d import (
    Convert2DTo3DTransform,
    Convert3DTo2DTransform,
)
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from torch import Tensor

MARGIN = 1.25
"""A patch is drawn this much larger, so that turning it brings in anatomy, not black corners."""

ANISOTROPIC = 3.0
"""A patch this much shorter across its slices is turned within them only (nnU-Net's rule)."""

ELONGATED = 1.5
"""A slice this much longer than wide is turned by small angles only (nnU-Net's rule)."""

SMALL, MEDIUM, ANY = pi / 12, pi / 6, pi
"""Largest angles: of an elongated slice, of a volume, of any other slice."""


class Augmentation:
    """Random changes of a patch and its label, as many as nnU-Net makes.

    Args:
        patch_size: Spatial shape of what comes out; 1 along an axis is a slice.
        mirrored_axes: Axes that may be mirrored; the x axis turns a left organ into a right one.
        slice_axis: Across the slices, where the patch is turned only within them; none otherwise.
    """

    def __init__(
        self,
        patch_size: Sequence[int],
        mirrored_axes: Sequence[int] = (),
        slice_axis: int | None = None,
    ) -> None:
        self.patch_size = tuple(patch_size)
        self._flat = 1 in self.patch_size
        self._slice_axis = self.patch_size.index(1) if self._flat else slice_axis
        # the library takes the first axis for the one across the slices
        self._order = sorted(range(3), key=lambda axis: axis != self._slice_axis)
        axes = [axis for axis in self._order if not (self._flat and axis == self._slice_axis)]
        mirror = MirrorTransform(
            allowed_axes=tuple(k for k, axis in enumerate(axes) if axis in mirrored_axes)
        )
        ignored = (0,) if self._within_slices else ()
        self._change = ComposeTransforms([*self._spatial(), *_intensity(ignored), mirror])

    @property
    def drawn_size(self) -> tuple[int, ...]:
        """Spatial shape of what goes in: larger by a margin, wherever the patch may turn."""
        plane = [n for axis, n in enumerate(self.patch_size) if axis != self._slice_axis]
        reach = [max(plane)] * 3 if self._angle == ANY else self.patch_size
        return tuple(
            n if axis == self._slice_axis else ceil(reach[axis] * MARGIN)
            for axis, n in enumerate(self.patch_size)
        )

    def __call__(self, image: Tensor, label: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Change one patch; the same seed changes it the same way.

        Args:
            image: (C, *drawn_size).
            label: (1, *drawn_size), integers.
            seed: Seed of every random choice.

        Returns:
            Image (C, *patch_size) and label (1, *patch_size).
        """
        with seeded(seed):
            changed = self._change(image=self._turned(image), segmentation=self._turned(label))
        return self._turned_back(changed["image"]), self._turned_back(changed["segmentation"])

    @property
    def _within_slices(self) -> bool:
        """Whether a patch of several slices is treated as slices (nnU-Net's "dummy 2D")."""
        return self._slice_axis is not None and not self._flat

    @property
    def _angle(self) -> float:
        if self._flat:
            plane = [n for axis, n in enumerate(self.patch_size) if axis != self._slice_axis]
            return SMALL if max(plane) / min(plane) > ELONGATED else ANY
        return ANY if self._within_slices else MEDIUM

    def _spatial(self) -> list[SpatialTransform]:
        size = tuple(self.patch_size[axis] for axis in self._order)
        turn = SpatialTransform(
            size if self._slice_axis is None else size[1:],
            patch_center_dist_from_border=0,
            random_crop=False,
            p_rotation=0.2,
            rotation=(-self._angle, self._angle),
            p_scaling=0.2,
            scaling=(0.7, 1.4),
            p_synchronize_scaling_across_axes=1,
        )
        if not self._within_slices:
            return [turn]
        return [Convert3DTo2DTransform(), turn, Convert2DTo3DTransform()]

    def _turned(self, patch: Tensor) -> Tensor:
        """Slices first, and a copy: some transforms write into what they are given."""
        turned = patch.permute(0, *(axis + 1 for axis in self._order))
        return (turned[:, 0] if self._flat else turned).clone(
            memory_format=torch.contiguous_format
        )

    def _turned_back(self, patch: Tensor) -> Tensor:
        whole = patch[:, None] if self._flat else patch
        return whole.permute(0, *(self._order.index(axis) + 1 for axis in range(3))).contiguous()


def slice_axis_of(patch_size: Sequence[int], spacing_mm: Sequence[float]) -> int | None:
    """The axis across thick slices, within which alone a patch should be turned.

    It is the axis of the largest spacing, if the patch is more than three times shorter along it
    (Isensee 2021: the rule of nnU-Net's "dummy 2D" augmentation).

    Args:
        patch_size: Spatial shape.
        spacing_mm: Voxel size that the network expects.
    """
    coarsest = max(range(3), key=lambda axis: (spacing_mm[axis], axis))
    return coarsest if max(patch_size) / patch_size[coarsest] > ANISOTROPIC else None


def _intensity(ignored_axes: tuple[int, ...]) -> list[RandomTransform]:
    """Noise, blur, brightness, contrast, resolution, gamma with nnU-Net's chances and ranges."""
    return [
        RandomTransform(GaussianNoiseTransform((0, 0.1), synchronize_channels=True), 0.1),
        RandomTransform(GaussianBlurTransform((0.5, 1.0), p_per_channel=0.5), 0.2),
        RandomTransform(MultiplicativeBrightnessTransform(BGContrast((0.75, 1.25)), False), 0.15),
        RandomTransform(ContrastTransform(BGContrast((0.75, 1.25)), True, False), 0.15),
        RandomTransform(
            SimulateLowResolutionTransform((0.5, 1), False, True, ignored_axes, p_per_channel=0.5),
            0.25,
        ),
        RandomTransform(GammaTransform(BGContrast((0.7, 1.5)), 1, False, 1, 1), 0.1),
        RandomTransform(GammaTransform(BGContrast((0.7, 1.5)), 0, False, 1, 1), 0.3),
    ]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the random numbers that the library draws from numpy and torch; restore them after."""
    state = np.random.get_state()  # noqa: NPY002 - batchgeneratorsv2 draws from the global state
    with torch.random.fork_rng(devices=[]):
        np.random.seed(seed)  # noqa: NPY002
        torch.default_generator.manual_seed(seed)  # of the CPU only: a GPU's stays as it is
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
