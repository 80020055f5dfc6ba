"""Batch number k is the same whenever it is asked for."""

import multiprocessing

import numpy as np
import pytest
import torch
from torch import Tensor

from verisim.training.ahead import batches_ahead, workers_for
from verisim.training.augmentation import Augmentation
from verisim.training.batches import FOREGROUND_SHARE, Batches, crop
from verisim.training.examples import Example

PATCH = (8, 12, 10)


def a_source(examples: list[Example], seed: int = 0) -> Batches:
    """Three patches a batch."""
    return Batches(examples, 3, Augmentation(PATCH, (0,)), seed)


def test_a_batch_has_its_shape_and_type(two_examples: list[Example]) -> None:
    batch = a_source(two_examples)(0)
    assert tuple(batch.image.shape) == (3, 1, *PATCH)
    assert tuple(batch.label.shape) == (3, 1, *PATCH)
    assert batch.image.dtype == torch.float32
    assert set(batch.label.unique().tolist()) <= {0, 1, 2}


def test_batch_k_is_the_same_whenever_it_is_asked_for(two_examples: list[Example]) -> None:
    first, second = a_source(two_examples), a_source(two_examples)
    second(7), second(0)
    for step in (3, 0, 41):
        assert torch.equal(first(step).image, second(step).image)
        assert torch.equal(first(step).label, second(step).label)


def test_other_seeds_and_other_steps_give_other_batches(two_examples: list[Example]) -> None:
    batches = [a_source(two_examples, seed)(step) for seed in (0, 1) for step in (0, 1)]
    assert len({batch.image.numpy().tobytes() for batch in batches}) == 4


class Centred:
    """Cuts the middle of the patch out and changes nothing."""

    patch_size = (8, 8, 8)
    drawn_size = (10, 10, 10)

    def __call__(self, image: Tensor, label: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        middle = [n // 2 for n in label.shape[1:]]
        box = (slice(None), *(slice(m, m + 1) for m in middle))
        return image[box], label[box]


def test_a_third_of_the_patches_is_centred_on_a_label() -> None:
    label = np.zeros((40, 40, 40), np.uint8)
    label[20, 5, 33] = 2
    label[3, 30, 8] = 1
    example = Example(np.zeros((1, 40, 40, 40), np.float32), label)
    centred = Batches([example], 60, Centred(), 0)  # type: ignore[arg-type]  # a stand-in
    hits = torch.cat([centred(step).label.flatten() for step in range(10)])
    for value in (1, 2):
        share = float((hits == value).float().mean())
        assert share == pytest.approx(FOREGROUND_SHARE / 2, abs=0.06)


def test_a_patch_may_reach_beyond_a_small_volume() -> None:
    small = Example(np.ones((2, 3, 4, 5), np.float32), np.ones((3, 4, 5), np.uint8))
    batch = a_source([small])(0)
    assert tuple(batch.image.shape) == (3, 2, *PATCH)


@pytest.mark.parametrize("centre", [(0, 0, 0), (4, 3, 2), (8, 6, 5)])
@pytest.mark.parametrize("size", [(2, 2, 2), (5, 4, 3), (20, 20, 20)])
def test_a_crop_holds_the_voxel_in_its_middle_and_zero_beyond_the_border(
    centre: tuple[int, int, int], size: tuple[int, int, int]
) -> None:
    array = 1 + np.arange(9 * 7 * 6).reshape(1, 9, 7, 6)
    cropped = crop(array, centre, size)
    assert cropped.shape == (1, *size)
    middle = tuple(side // 2 for side in size)
    assert cropped[(0, *middle)] == array[(0, *centre)]
    inside = set(cropped[cropped > 0].tolist())
    assert inside <= set(array.ravel().tolist())
    assert len(inside) == (cropped > 0).sum()


def test_a_case_without_labels_is_drawn_from_anywhere() -> None:
    empty = Example(np.ones((1, 20, 20, 20), np.float32), np.zeros((20, 20, 20), np.uint8))
    assert a_source([empty])(0).label.sum() == 0


def test_batches_made_by_other_processes_are_the_same(two_examples: list[Example]) -> None:
    source = a_source(two_examples)
    for batch, number in zip(batches_ahead(source, 2, 7, workers=2), range(2, 7), strict=True):
        assert torch.equal(batch.image, source(number).image)
        assert torch.equal(batch.label, source(number).label)


def test_whoever_stops_early_leaves_no_process_behind(two_examples: list[Example]) -> None:
    upcoming = batches_ahead(a_source(two_examples), 0, 100, workers=2)
    next(upcoming)
    assert len(multiprocessing.active_children()) == 2
    upcoming.close()
    assert multiprocessing.active_children() == []


def test_a_processor_makes_its_batches_itself_and_a_graphics_card_has_them_made() -> None:
    assert workers_for("cpu") == 0
    assert workers_for("cuda:0") >= 1
