"""The sliding window joins patches as if the network had seen the whole volume."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.conftest import parameters
from verisim import patches
from verisim.errors import Cancelled
from verisim.patches import (
    importance,
    logits_by_row,
    number_of_patches,
    predict,
    starts,
)

PATCH_SIZES = pytest.mark.parametrize("patch", [(4, 4, 4), (8, 4, 6), (5, 3, 7), (16, 16, 16)])


@pytest.fixture
def array() -> np.ndarray:
    """Two channels (2, 13, 9, 10)."""
    return np.random.default_rng(0).normal(size=(2, 13, 9, 10)).astype(np.float32)


@pytest.fixture
def voxel_wise(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A network that looks at one voxel at a time, in full precision."""
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: False)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return nn.Conv3d(2, 3, kernel_size=1)


class Heard:
    """Progress that keeps what it hears, and cancels when told."""

    def __init__(self, cancel_at: int = 10**9) -> None:
        self.steps: list[tuple[int, int]] = []
        self.cancel_at = cancel_at

    def advance(self, done: int, total: int, message: str = "") -> None:
        self.steps.append((done, total))
        if done >= self.cancel_at:
            raise Cancelled("Stopped.")


def constant(patch: Tensor) -> Tensor:
    """The same logits everywhere."""
    logits = torch.tensor([0.5, -1.0, 2.0]).reshape(1, 3, 1, 1, 1)
    return logits.expand(len(patch), 3, *patch.shape[2:]).clone()


@PATCH_SIZES
def test_probabilities_sum_to_1(
    array: np.ndarray, voxel_wise: nn.Module, patch: tuple[int, int, int]
) -> None:
    probabilities = predict(voxel_wise, array, patch)
    assert probabilities.shape == (3, 13, 9, 10)
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-6)


@PATCH_SIZES
def test_a_constant_network_gives_a_constant(
    array: np.ndarray, patch: tuple[int, int, int]
) -> None:
    expected = torch.softmax(torch.tensor([0.5, -1.0, 2.0]), 0).numpy()[:, None, None, None]
    probabilities = predict(constant, array, patch)
    np.testing.assert_allclose(probabilities, np.broadcast_to(expected, probabilities.shape), 1e-5)


@PATCH_SIZES
def test_a_voxel_wise_network_sees_the_same_in_patches_of_every_size(
    array: np.ndarray, voxel_wise: nn.Module, patch: tuple[int, int, int]
) -> None:
    with torch.inference_mode():
        whole = torch.softmax(voxel_wise(torch.tensor(array)[None])[0], 0).numpy()
    np.testing.assert_allclose(predict(voxel_wise, array, patch), whole, atol=1e-5)


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small patches go through the network alone, as large ones do."""
    monkeypatch.setattr(patches, "PATCH_VOXELS", 1)


@PATCH_SIZES
@pytest.mark.usefixtures("one_by_one")
def test_progress_hears_of_every_patch_and_ends_at_the_total(
    array: np.ndarray, patch: tuple[int, int, int]
) -> None:
    heard = Heard()
    predict(constant, array, patch, heard)
    total = number_of_patches(array.shape[1:], patch)
    assert heard.steps == [(done, total) for done in range(total + 1)]


@PATCH_SIZES
def test_small_patches_go_through_the_network_together(
    array: np.ndarray, voxel_wise: nn.Module, patch: tuple[int, int, int]
) -> None:
    heard = Heard()
    together = predict(voxel_wise, array, patch, heard)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(patches, "PATCH_VOXELS", 1)
        apart = predict(voxel_wise, array, patch)
    np.testing.assert_allclose(together, apart, atol=1e-6)
    total = number_of_patches(array.shape[1:], patch)
    assert heard.steps[-1] == (total, total)
    assert len(heard.steps) == len(starts(13, patch[0])) + 1


@PATCH_SIZES
def test_rows_come_in_order_and_are_those_of_the_whole(
    array: np.ndarray,
    voxel_wise: nn.Module,
    patch: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = list(logits_by_row(voxel_wise, array, patch))
    assert len(blocks) == len(starts(13, patch[0]))
    monkeypatch.setattr(patches, "VOXELS_AT_ONCE", 1)
    rows = list(logits_by_row(voxel_wise, array, patch))
    assert [row.shape[1] for row in rows] == [1] * 13
    np.testing.assert_array_equal(np.concatenate(rows, 1), np.concatenate(blocks, 1))
    with torch.inference_mode():
        whole = voxel_wise(torch.tensor(array)[None])[0].numpy()
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), whole, atol=1e-4)


@PATCH_SIZES
def test_sums_in_half_precision_and_in_a_file_differ_by_their_rounding_only(
    array: np.ndarray,
    voxel_wise: nn.Module,
    patch: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = predict(voxel_wise, array, patch)
    monkeypatch.setattr(patches, "SINGLE_PRECISION_BYTES", 0)
    np.testing.assert_allclose(predict(voxel_wise, array, patch), expected, atol=5e-3)
    monkeypatch.setattr(patches, "available_bytes", lambda: 0)
    np.testing.assert_allclose(predict(voxel_wise, array, patch), expected, atol=5e-3)


@pytest.mark.parametrize(
    ("length", "side", "expected"),
    [(8, 8, [0]), (5, 8, [0]), (9, 8, [0, 1]), (110, 64, [0, 23, 46]), (16, 8, [0, 4, 8])],
)
def test_patches_are_spread_evenly_and_half_a_patch_apart_at_most(
    length: int, side: int, expected: list[int]
) -> None:
    assert starts(length, side) == expected


def test_less_overlap_needs_fewer_patches() -> None:
    assert len(starts(200, 40, overlap=0.25)) < len(starts(200, 40))
    assert starts(200, 40, overlap=0.25)[-1] == 160


def test_the_centre_of_a_patch_counts_most_and_no_voxel_nothing() -> None:
    window = importance((16, 8, 4))
    assert window.argmax() == np.ravel_multi_index((8, 4, 2), (16, 8, 4))
    assert window.min() > 0


@pytest.mark.usefixtures("one_by_one")
def test_whoever_cancels_is_obeyed_between_two_patches(array: np.ndarray) -> None:
    heard = Heard(cancel_at=3)
    with pytest.raises(Cancelled):
        predict(constant, array, (4, 4, 4), heard)
    assert [done for done, _ in heard.steps] == [0, 1, 2, 3]


def test_a_volume_smaller_than_the_patch_keeps_its_shape(voxel_wise: nn.Module) -> None:
    small = np.ones((2, 3, 1, 5), np.float32)
    assert predict(voxel_wise, small, (16, 8, 4)).shape == (3, 3, 1, 5)


def test_parameters_are_counted(voxel_wise: nn.Module) -> None:
    assert parameters(voxel_wise) == 2 * 3 + 3
