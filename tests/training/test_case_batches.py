"""Whole cases in patches of one size: always the same ones, and marked where they end."""

import numpy as np
import pytest
import torch

from verisim.training.case_batches import CaseBatches
from verisim.training.examples import Example

SHAPE = (9, 12, 7)
PATCH = (12, 16, 8)


def an_example(seed: int = 0) -> Example:
    generator = np.random.default_rng(seed)
    label = np.zeros(SHAPE, np.uint8)
    label[2:4, 3:9, 2:5] = 1
    label[4:7, 3:9, 2:5] = 2
    image = generator.normal(1, 0.1, (1, *SHAPE)).astype(np.float32) + label
    return Example(image, label, f"case {seed}")


def some_batches(
    changed: bool = True, axes: tuple[int, ...] = (0,), patch: tuple[int, int, int] = PATCH
) -> CaseBatches:
    return CaseBatches([an_example(0), an_example(1)], 2, patch, 3, axes, 5, changed)


def test_batch_number_k_is_always_the_same() -> None:
    one, other = some_batches()(7), some_batches()(7)
    assert torch.equal(one.image, other.image)
    assert torch.equal(one.label, other.label)
    assert not torch.equal(one.image, some_batches()(8).image)


def test_beyond_the_case_there_is_nothing_and_it_is_marked() -> None:
    batch = some_batches()(0)
    assert batch.image.shape == (2, 1, *PATCH)
    assert batch.inside.sum().item() == 2 * np.prod(SHAPE)
    beyond = batch.inside == 0
    assert not batch.image[beyond].any()
    assert not batch.label[beyond].any()


def test_unchanged_cases_are_the_cases() -> None:
    batch = some_batches(changed=False)(3)
    cases = [an_example(k) for k in range(2)]
    for image, label, inside in zip(batch.image, batch.label, batch.inside, strict=True):
        place = inside[0].bool()
        found = image[0][place].reshape(SHAPE).numpy()
        (case,) = (one for one in cases if np.array_equal(one.image[0], found))
        np.testing.assert_array_equal(label[0][place].reshape(SHAPE).numpy(), case.label)


def test_image_and_label_are_changed_together() -> None:
    """Where the label says so the image is brighter, turned or not, mirrored or not."""
    for step in range(6):
        batch = some_batches()(step)
        for image, label in zip(batch.image[:, 0], batch.label[:, 0], strict=True):
            assert image[label == 2].mean() > 2.7
            assert image[label == 1].mean() == pytest.approx(2.0, abs=0.3)


def test_half_of_the_cases_are_mirrored() -> None:
    """The label of value 2 lies beyond that of value 1, or before it."""

    def beyond(label: torch.Tensor) -> bool:
        first, second = (torch.nonzero(label[0] == value)[:, 0].float().mean() for value in (1, 2))
        return bool(second > first)

    sides = [beyond(one) for step in range(30) for one in some_batches()(step).label]
    assert 0.3 < np.mean(sides) < 0.7
    assert all(beyond(one) for step in range(5) for one in some_batches(axes=())(step).label)


def test_a_patch_of_one_slice_shows_any_slice() -> None:
    batches = some_batches(changed=False, patch=(12, 16, 1))
    seen = {int((batches(step).label > 0).sum()) for step in range(10)}
    assert batches(0).image.shape == (2, 1, 12, 16, 1)
    assert len(seen) > 1
