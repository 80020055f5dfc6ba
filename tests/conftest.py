"""Fixtures that every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from verisim.volume import LabelMap, Volume

torch.set_num_threads(2)


@pytest.fixture
def a_volume() -> Volume:
    """A small anisotropic volume away from the origin."""
    array = np.random.default_rng(0).normal(100, 20, (12, 10, 8)).astype(np.float32)
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    affine[:3, 3] = (-10.0, 20.0, 5.0)
    return Volume(array, affine)


@pytest.fixture
def a_label_map(a_volume: Volume) -> LabelMap:
    """Two boxes on the grid of `a_volume`."""
    array = np.zeros(a_volume.spatial_shape, np.uint8)
    array[2:6, 2:6, 2:5] = 1
    array[6:9, 3:8, 3:6] = 2
    return LabelMap(array, a_volume.affine, {"anterior": 1, "posterior": 2})


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images."""
    if "VERISIM_DATA" not in os.environ:
        pytest.skip("VERISIM_DATA does not name the folder of real images")
    return Path(os.environ["VERISIM_DATA"]).resolve()
