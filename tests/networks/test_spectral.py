"""Attention between spectra begins as nothing, for every size, and then follows all it is told."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.networks.test_medsegdiff import VOLUMES, network_of, values
from verisim.networks.spectral import SpectralAttention

SIZES = pytest.mark.parametrize("size", [(4, 4, 4), (5, 7, 3), (1, 6, 5), (6, 5, 1)])
TOLD = 8


def awake() -> SpectralAttention:
    """Whose answer is not nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        attention = SpectralAttention(3, TOLD)
        torch.nn.init.normal_(attention.answer.weight)
    return attention


@SIZES
def test_it_begins_as_nothing(size: tuple[int, ...]) -> None:
    mask, image, told = values(2, 3, *size), values(2, 3, *size, seed=1), values(2, TOLD)
    torch.testing.assert_close(SpectralAttention(3, TOLD)(mask, image, told), mask)


@SIZES
def test_what_is_real_stays_real_and_keeps_its_size(size: tuple[int, ...]) -> None:
    mask, image, told = values(2, 3, *size), values(1, 3, *size, seed=1), values(2, TOLD)
    answer = awake()(mask, image, told)
    assert answer.dtype == torch.float32
    assert answer.shape == mask.shape
    assert not torch.allclose(answer, mask)


def test_the_answer_follows_the_mask_the_image_and_the_time() -> None:
    size, attention = (4, 6, 5), awake()
    mask, image, told = values(1, 3, *size), values(1, 3, *size, seed=1), values(1, TOLD)

    def added(*given: Tensor) -> Tensor:
        return attention(*given) - given[0]

    first = added(mask, image, told)
    for changed in (
        added(values(1, 3, *size, seed=2), image, told),
        added(mask, values(1, 3, *size, seed=2), told),
        added(mask, image, values(1, TOLD, seed=2)),
    ):
        assert not torch.allclose(first, changed, atol=1e-4)


def test_no_band_passes_nothing() -> None:
    attention, size = awake(), (4, 6, 5)
    last = attention.band[-2]
    assert isinstance(last, torch.nn.Linear)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, -100)
    mask, image = values(1, 3, *size), values(1, 3, *size, seed=1)
    torch.testing.assert_close(attention(mask, image, values(1, TOLD)), mask)


def test_a_network_with_it_learns_through_it() -> None:
    network = network_of(replace(VOLUMES, spectral=True)).train()
    size = (8, 8, 8)
    answer = network(values(1, 3, *size), torch.tensor([0.5]), values(1, 2, *size))
    answer.square().sum().backward()  # type: ignore[no-untyped-call]
    assert network.attention is not None
    assert float(network.attention.answer.weight.grad.abs().sum()) > 0
