"""Augmentation changes patches at random, but the same seed in the same way."""

import numpy as np
import pytest
import torch
from torch import Tensor

from verisim.training.augmentation import Augmentation, seeded

PATCH = (8, 12, 10)


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    """Two channels and a label map, larger than the patch."""
    generator = np.random.default_rng(0)
    image = torch.tensor(generator.normal(size=(2, 10, 15, 13)).astype(np.float32))
    label = torch.tensor(generator.choice([0, 3, 7], (1, 10, 15, 13)).astype(np.int16))
    return image, label


def test_shapes_are_the_patchs_and_label_values_stay(pair: tuple[Tensor, Tensor]) -> None:
    augmentation = Augmentation(PATCH, (0,))
    for seed in range(20):
        image, label = augmentation(*pair, seed)
        assert (tuple(image.shape), tuple(label.shape)) == ((2, *PATCH), (1, *PATCH))
        assert set(label.unique().tolist()) <= {0, 3, 7}
        assert image.isfinite().all()


def test_the_same_seed_changes_a_patch_the_same_way(pair: tuple[Tensor, Tensor]) -> None:
    augmentation = Augmentation(PATCH, (0,))
    for seed in range(10):
        first, again = augmentation(*pair, seed), augmentation(*pair, seed)
        assert torch.equal(first[0], again[0])
        assert torch.equal(first[1], again[1])


def test_different_seeds_change_a_patch_differently(pair: tuple[Tensor, Tensor]) -> None:
    augmentation = Augmentation(PATCH, (0,))
    images = {augmentation(*pair, seed)[0].numpy().tobytes() for seed in range(10)}
    assert len(images) >= 8


def test_the_given_patch_is_not_changed(pair: tuple[Tensor, Tensor]) -> None:
    image, label = pair[0].clone(), pair[1].clone()
    for seed in range(10):
        Augmentation(PATCH, (0,))(*pair, seed)
    assert torch.equal(pair[0], image)
    assert torch.equal(pair[1], label)


def test_the_random_numbers_of_others_are_left_alone(pair: tuple[Tensor, Tensor]) -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is the point
    for seed in range(10):
        Augmentation(PATCH, (0,))(*pair, seed)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_the_random_numbers_of_others_survive_an_error() -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002

    def fail() -> None:
        with seeded(3):
            torch.rand(1)
            np.random.rand(1)  # noqa: NPY002
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_only_the_named_axes_are_mirrored() -> None:
    image = torch.arange(24.0)[None, :, None, None].expand(1, 24, 16, 16).clone()
    label = torch.zeros(1, 24, 16, 16, dtype=torch.int16)
    still, turning = Augmentation((16, 12, 12), ()), Augmentation((16, 12, 12), (0,))

    def rises(augmentation: Augmentation, seed: int) -> bool:
        column = augmentation(image, label, seed)[0][0].mean(dim=(1, 2))
        return bool(column[-4:].mean() > column[:4].mean())

    assert all(rises(still, seed) for seed in range(12))
    assert 2 < sum(rises(turning, seed) for seed in range(12)) < 10
