"""nnU-Net's augmentation, by the library of nnU-Net v2 itself (Isensee 2021, supplement 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import pi

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
from batchgeneratorsv2.transforms.utils.random import RandomTransform
from torch import Tensor

MARGIN = 1.25
"""A patch is drawn this much larger, so that turning it brings in anatomy, not black corners."""


class Augmentation:
    """Random changes of a patch and its label, as many as nnU-Net makes.

    Args:
        patch_size: Spatial shape of what comes out.
        mirrored_axes: Axes that may be mirrored; the x axis turns a left organ into a right one.
    """

    def __init__(self, patch_size: Sequence[int], mirrored_axes: Sequence[int] = (0,)) -> None:
        self._change = ComposeTransforms(
            [
                SpatialTransform(
                    tuple(patch_size),
                    patch_center_dist_from_border=0,
                    random_crop=False,
                    p_rotation=0.3,
                    rotation=(-pi / 6, pi / 6),
                    p_scaling=0.3,
                    scaling=(0.7, 1.4),
                    p_synchronize_scaling_across_axes=1,
                ),
                *_intensity(),
                MirrorTransform(allowed_axes=tuple(mirrored_axes)),
            ]
        )

    def __call__(self, image: Tensor, label: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Change one patch; the same seed changes it the same way.

        Args:
            image: (C, X, Y, Z), larger than the patch by `MARGIN`.
            label: (1, X, Y, Z), integers.
            seed: Seed of every random choice.

        Returns:
            Image (C, *patch_size) and label (1, *patch_size).
        """
        with seeded(seed):
            # some transforms write into what they are given
            changed = self._change(image=image.clone(), segmentation=label.clone())
        return changed["image"], changed["segmentation"]


def _intensity() -> list[RandomTransform]:
    """Noise, blur, brightness, contrast, resolution, gamma with nnU-Net's chances and ranges."""
    return [
        RandomTransform(GaussianNoiseTransform((0, 0.1), synchronize_channels=True), 0.1),
        RandomTransform(GaussianBlurTransform((0.5, 1.0), p_per_channel=0.5), 0.2),
        RandomTransform(MultiplicativeBrightnessTransform(BGContrast((0.75, 1.25)), False), 0.15),
        RandomTransform(ContrastTransform(BGContrast((0.75, 1.25)), True, False), 0.15),
        RandomTransform(
            SimulateLowResolutionTransform((0.5, 1), False, True, (), p_per_channel=0.5), 0.25
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
