"""Insides of labels and likeness of images: laws that hold for every image."""

import numpy as np
import pytest

from verisim.errors import BadInput
from verisim.metrics.fidelity import spread_distance
from verisim.metrics.likeness import KERNEL, likeness, middle
from verisim.metrics.texture import COARSENESS, texture_of


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 20, (20, 22, 24))


@pytest.fixture
def mask() -> np.ndarray:
    inside = np.zeros((20, 22, 24), bool)
    inside[4:14, 5:15, 6:16] = True
    return inside


def test_units_of_a_scanner_change_no_figure(image: np.ndarray, mask: np.ndarray) -> None:
    one, other = texture_of(image, mask), texture_of(7 * image + 300, mask)
    assert one.keys() == other.keys()
    assert list(one.values()) == pytest.approx(list(other.values()), abs=1e-6)


def test_turning_an_image_changes_no_figure(image: np.ndarray, mask: np.ndarray) -> None:
    turned = texture_of(np.moveaxis(image, 0, 2), np.moveaxis(mask, 0, 2))
    expected = texture_of(image, mask)
    assert list(turned.values()) == pytest.approx(list(expected.values()))


def test_figures_are_those_of_skimage_in_a_slice() -> None:
    """Where there is one slice, skimage itself can count the neighbours."""
    from_slice = np.random.default_rng(1).integers(0, 16, (30, 31, 1)).astype(float)
    found = texture_of(from_slice, np.ones((30, 31, 1), bool))
    levels = np.clip(
        (from_slice - np.percentile(from_slice, 1))
        / np.subtract(*np.percentile(from_slice, (99, 1)))
        * 16,
        *(0, 15),
    ).astype(np.uint8)[..., 0]
    pairs = np.concatenate(
        [
            np.stack([levels[:-1].ravel(), levels[1:].ravel()]),
            np.stack([levels[:, :-1].ravel(), levels[:, 1:].ravel()]),
        ],
        axis=1,
    ).astype(float)
    assert found["contrast"] == pytest.approx(((pairs[0] - pairs[1]) ** 2).mean())
    both = np.concatenate([pairs, pairs[::-1]], axis=1)
    assert found["correlation"] == pytest.approx(np.corrcoef(both)[0, 1], abs=1e-6)


def test_smooth_insides_have_less_contrast_than_noise(mask: np.ndarray) -> None:
    x = np.indices(mask.shape).sum(axis=0).astype(float)
    noise = np.random.default_rng(0).permutation(x.ravel()).reshape(x.shape)
    smooth, rough = texture_of(x, mask), texture_of(noise, mask)
    assert smooth["contrast"] < rough["contrast"]
    assert smooth["correlation"] > 0.9 > rough["correlation"]


def test_of_almost_nothing_nothing_is_told(image: np.ndarray, mask: np.ndarray) -> None:
    few = np.zeros_like(mask)
    few[0, 0, :5] = True
    for found in (texture_of(image, few), texture_of(np.ones_like(image), mask)):
        assert set(COARSENESS) < found.keys()
        assert np.isnan(list(found.values())).all()


def test_the_same_image_is_alike_and_another_is_less(image: np.ndarray) -> None:
    assert likeness(image, image) == pytest.approx(1)
    assert likeness(image, 5 * image + 9) == pytest.approx(1, abs=1e-4)
    near = image + np.random.default_rng(1).normal(0, 5, image.shape)
    far = np.random.default_rng(2).normal(100, 20, image.shape)
    assert 1 > likeness(image, near) > likeness(image, far)
    assert likeness(image, far) == pytest.approx(likeness(far, image))


@pytest.mark.parametrize("shape", [(KERNEL, 9, 8), (64, 70, 1), (100, 90, 1)])
def test_small_images_and_slices_are_compared(shape: tuple[int, int, int]) -> None:
    one = np.random.default_rng(0).normal(size=shape)
    assert likeness(one, one) == pytest.approx(1)


def test_what_does_not_lie_on_each_other_is_refused(image: np.ndarray) -> None:
    with pytest.raises(BadInput, match="do not lie"):
        likeness(image, image[1:])
    with pytest.raises(BadInput, match="window"):
        likeness(image[:4], image[:4])


def test_the_middle_lies_in_the_middle() -> None:
    array = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    np.testing.assert_array_equal(middle(array, (3, 6, 1)), array[1:4, :, 3:4])


def test_a_shifted_figure_is_as_far_as_it_was_shifted() -> None:
    real = np.random.default_rng(0).normal(3, 2, 500)
    assert spread_distance(real, real) == 0
    assert spread_distance(real + 5, real) == pytest.approx(5 / real.std())
    assert spread_distance(10 * real, 10 * real[::-1] + 1) == pytest.approx(
        spread_distance(real, real + 0.1)
    )
    assert spread_distance(np.ones(3), np.ones(4)) == 0
    assert spread_distance(np.ones(3), np.zeros(4)) == float("inf")
    with pytest.raises(BadInput):
        spread_distance(real[:1], real)
