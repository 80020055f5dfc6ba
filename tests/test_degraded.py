"""Worse copies lie where the volume lies, are worse, and are the same every time."""

import numpy as np
import pytest

from verisim.degraded import degraded
from verisim.volume import Volume

ARRAY = np.random.default_rng(0).normal(size=(20, 18, 16)).astype(np.float32)
AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


@pytest.mark.parametrize("array", [ARRAY, np.stack([ARRAY, ARRAY + 1])])
def test_copies_differ_from_the_volume_and_keep_its_grid(array: np.ndarray) -> None:
    volume = Volume(array, AFFINE)
    copies = dict(degraded(volume))
    assert len(copies) == 7
    for copy in copies.values():
        assert copy.shares_grid(volume)
        assert copy.array.shape == array.shape
        assert not np.array_equal(copy.array, array)
    for name, copy in degraded(volume):
        np.testing.assert_array_equal(copy.array, copies[name].array)


def test_more_of_it_is_worse() -> None:
    copies = dict(degraded(Volume(ARRAY, AFFINE), missing=False))
    assert not any("missing" in name for name in copies)
    far = {name: float(np.abs(copy.array - ARRAY).mean()) for name, copy in copies.items()}
    assert far["noise 0.5"] < far["noise 1"] < far["noise 2"]
    assert far["resolution /2"] < far["resolution /4"]


def test_a_flat_volume_stays_flat() -> None:
    flat = Volume(np.full((6, 6, 6), 3, np.float32), AFFINE)
    for _, copy in degraded(flat):
        np.testing.assert_allclose(copy.array, 3, atol=1e-5)
