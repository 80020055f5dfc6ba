"""From a data set to an untrained model: the choices that nobody should have to make."""

from __future__ import annotations

import numpy as np

from verisim.card import ModelCard
from verisim.dataset import Dataset
from verisim.files.segments import color_of
from verisim.networks.unet import UNet
from verisim.preprocessing import Preprocessing

STAGES = 4
"""Resolutions of the U-Net."""

FINEST_FEATURES = 16
"""Feature maps of the finest stage: 1.4 M parameters in four stages, what a CPU can train."""

LARGEST_PATCH = 96
"""Voxels along the longest side of a patch."""


def plan(dataset: Dataset, name: str) -> ModelCard:
    """Choose spacing, patch and network for a data set (after Isensee 2021, much simplified).

    The spacing is the median of the data set, the patch its median shape, rounded up to what the
    network can halve, at most 96 voxels a side.
    """
    volumes = [case.volume().reoriented("RAS") for case in dataset.split("train")]
    x, y, z = (float(round(n, 4)) for n in np.median([v.spacing_mm for v in volumes], axis=0))
    extent = np.median([v.extent_mm for v in volumes], axis=0)
    unit = 2 ** (STAGES - 1)
    sides = np.clip(np.ceil(extent / (x, y, z) / unit) * unit, unit, LARGEST_PATCH)
    px, py, pz = (int(side) for side in sides)
    return ModelCard(
        name=name,
        description=f"Segments {', '.join(dataset.labels)} in {dataset.channels[0]}.",
        channels=dataset.channels,
        labels=dataset.labels,
        colors={label: color_of(k) for k, label in enumerate(dataset.labels)},
        preprocessing=Preprocessing(spacing_mm=(x, y, z)),
        patch_size=(px, py, pz),
        network=UNet(
            features=tuple(FINEST_FEATURES * 2**stage for stage in range(STAGES)),
            strides=((1, 1, 1), *[(2, 2, 2)] * (STAGES - 1)),
            kernel_sizes=((3, 3, 3),) * STAGES,
        ),
    )
