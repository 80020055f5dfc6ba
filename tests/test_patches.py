"""The sliding window joins patches as if the network had seen the whole volume."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.conftest import parameters
from verisim.errors import Cancelled
from verisim.patches import has_bfloat16, predict, reduced_precision

PATCH_SIZES = pytest.mark.parametrize("patch", [(4, 4, 4), (8, 4, 6), (5, 3, 7), (16, 16, 16)])


@pytest.fixture
def array() -> np.ndarray:
    """Two channels (2, 13, 9, 10)."""
    return np.random.default_rng(0).normal(size=(2, 13, 9, 10)).astype(np.float32)


@pytest.fixture
def voxel_wise(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A network that looks at one voxel at a time, in full precision."""
    monkeypatch.setattr("verisim.patches.has_bfloat16", lambda kind: False)
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


@PATCH_SIZES
def test_progress_hears_of_every_patch_and_ends_at_the_total(
    array: np.ndarray, patch: tuple[int, int, int]
) -> None:
    heard = Heard()
    predict(constant, array, patch, heard)
    total = heard.steps[-1][1]
    assert heard.steps == [(done, total) for done in range(total + 1)]


@PATCH_SIZES
def test_a_volume_of_many_patches_gets_fewer_and_the_same_answer(
    array: np.ndarray,
    voxel_wise: nn.Module,
    patch: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dense, sparse = Heard(), Heard()
    expected = predict(voxel_wise, array, patch, dense)
    monkeypatch.setattr("verisim.patches.MANY_PATCHES", 0)
    np.testing.assert_allclose(predict(voxel_wise, array, patch, sparse), expected, atol=1e-5)
    assert sparse.steps == [(done, len(sparse.steps) - 1) for done in range(len(sparse.steps))]
    assert len(sparse.steps) < len(dense.steps) or patch == (16, 16, 16)


def test_whoever_cancels_is_obeyed_between_two_patches(array: np.ndarray) -> None:
    heard = Heard(cancel_at=3)
    with pytest.raises(Cancelled):
        predict(constant, array, (4, 4, 4), heard)
    assert [done for done, _ in heard.steps] == [0, 1, 2, 3]


def test_a_volume_smaller_than_the_patch_keeps_its_shape(voxel_wise: nn.Module) -> None:
    small = np.ones((2, 3, 1, 5), np.float32)
    assert predict(voxel_wise, small, (16, 8, 4)).shape == (3, 3, 1, 5)


def test_a_processor_without_bfloat16_computes_in_full_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert has_bfloat16("cpu") is False
    with reduced_precision("cpu"):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == torch.float32


def test_a_processor_with_bfloat16_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    with reduced_precision("cpu"):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == torch.bfloat16


def test_a_torch_that_does_not_know_the_instruction_computes_in_full_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert has_bfloat16("cpu") is False


def test_a_device_of_another_kind_computes_in_full_precision() -> None:
    assert has_bfloat16("mps") is False


def test_parameters_are_counted(voxel_wise: nn.Module) -> None:
    assert parameters(voxel_wise) == 2 * 3 + 3
