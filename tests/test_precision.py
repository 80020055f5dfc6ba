"""Reduced precision is used where no label depends on it."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from verisim.precision import (
    FLIPPED,
    Careful,
    has_bfloat16,
    reduced_precision,
    rounding,
)

ONE = torch.ones(4, 4, 4)
PATCH = torch.linspace(-1, 1, 64).reshape(1, 1, 4, 4, 4)


class Asked(nn.Module):
    """Answers with logits of a given margin, and counts in which precision it is asked.

    Reduced precision moves the margin by up to `error`.
    """

    def __init__(self, margin: float, labelled: float = 0.5, error: float = 0.0) -> None:
        super().__init__()
        self.margin, self.labelled, self.error = margin, labelled, error
        self.reduced = self.single = 0

    def forward(self, patches: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            self.reduced += 1
        else:
            self.single += 1
        foreground = torch.linspace(0, 1, patches[0, 0].numel()) < self.labelled
        margins = torch.where(foreground, self.margin, -self.margin)
        if torch.is_autocast_enabled("cpu"):
            margins += self.error * torch.linspace(-1, 1, len(margins))
        margins = margins.reshape(patches.shape[2:]).expand_as(patches)
        return torch.cat([torch.zeros_like(patches), margins], dim=1)


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A processor that multiplies bfloat16."""
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: True)
    with reduced_precision("cpu"), torch.inference_mode():
        yield


def asked(network: Asked, error: float, patch: Tensor = PATCH, times: int = 1) -> tuple[int, int]:
    careful = Careful(network, error, ONE)
    for _ in range(times):
        careful(patch)
    return network.reduced, network.single


@pytest.mark.usefixtures("bfloat16")
def test_a_network_that_is_sure_is_asked_in_reduced_precision_only() -> None:
    assert asked(Asked(margin=1.0), error=0.01, times=5) == (5, 0)


@pytest.mark.usefixtures("bfloat16")
def test_a_network_in_doubt_is_asked_again_in_single_precision() -> None:
    assert asked(Asked(margin=0.015), error=0.01) == (1, 1)


@pytest.mark.usefixtures("bfloat16")
def test_where_nearly_all_patches_are_in_doubt_single_precision_comes_first() -> None:
    reduced, single = asked(Asked(margin=0.015, error=0.02), error=0.01, times=50)
    assert single == 50
    assert reduced < 10


@pytest.mark.usefixtures("bfloat16")
def test_a_network_that_proves_exact_is_not_doubted_any_more() -> None:
    reduced, single = asked(Asked(margin=0.015, error=0.0), error=0.01, times=50)
    assert 0 < single < 25
    assert reduced > 40


@pytest.mark.usefixtures("bfloat16")
def test_a_network_that_proves_rough_is_doubted_more() -> None:
    rough = Asked(margin=0.015, error=0.2)
    careful = Careful(rough, 0.01, ONE)
    careful(PATCH)
    rough.margin = 0.05
    careful(PATCH)
    assert (rough.reduced, rough.single) == (2, 2)
    assert asked(Asked(margin=0.05), error=0.01) == (1, 0)


@pytest.mark.usefixtures("bfloat16")
def test_the_first_patches_of_many_show_how_rough_a_network_is() -> None:
    network = Asked(margin=0.05, error=0.2)
    careful = Careful(network, 0.01, ONE, learning=3)
    for _ in range(5):
        careful(PATCH)
    assert network.single == 5
    sure = Asked(margin=1.0, error=0.001)
    careful = Careful(sure, 0.01, ONE, learning=3)
    for _ in range(5):
        careful(PATCH)
    assert (sure.reduced, sure.single) == (5, 3)


@pytest.mark.usefixtures("bfloat16")
def test_background_without_doubt_needs_no_foreground_beside_it() -> None:
    assert asked(Asked(margin=1.0, labelled=0.0), error=0.01) == (1, 0)


@pytest.mark.usefixtures("bfloat16")
def test_a_patch_without_contrast_is_computed_in_single_precision() -> None:
    assert asked(Asked(margin=1.0), error=0.01, patch=torch.full_like(PATCH, 3)) == (0, 1)


class Rough(nn.Module):
    """The sign of a voxel, with noise of standard deviation 0.5 in reduced precision."""

    def forward(self, patches: Tensor) -> Tensor:
        logits = torch.stack([torch.zeros_like(patches[:, 0]), 15 * patches[:, 0]], dim=1)
        reduced = torch.is_autocast_enabled("cpu")
        return logits + torch.randn(logits.shape) / 8**0.5 if reduced else logits


def share_changed(network: nn.Module) -> float:
    """Labels that are wrong, beside the voxels of the foreground; later images are clearer."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        images = torch.randn(100, 1, 20, 20, 20) * torch.logspace(0, 2, 100).view(-1, 1, 1, 1, 1)
        answers = torch.cat([network(image[None]).argmax(1) for image in images])
    true = images[:, 0] > 0
    return float((answers.bool() != true).sum() / true.sum())


@pytest.mark.usefixtures("bfloat16")
def test_about_as_many_labels_change_as_are_allowed() -> None:
    assert share_changed(Rough()) > 2 * FLIPPED
    assert 0 < share_changed(Careful(Rough(), 0.5, torch.ones(20, 20, 20))) < 1.5 * FLIPPED


def test_without_reduced_precision_a_network_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: False)
    with reduced_precision("cpu"):
        assert asked(Asked(margin=0.0), error=0.01) == (0, 1)


def test_the_rounding_of_a_network_grows_with_its_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: True)
    network = nn.Conv3d(1, 2, kernel_size=3, padding=1, bias=False)
    louder = nn.Conv3d(1, 2, kernel_size=3, padding=1, bias=False)
    louder.weight.data = 4 * network.weight.data
    small, large = (rounding(one, (1, 16, 16, 16), "cpu") for one in (network, louder))
    assert small > 0
    assert large == pytest.approx(4 * small, rel=1e-3)
    assert rounding(network, (1, 16, 16, 16), "cpu") == small


def test_single_precision_rounds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: False)
    assert rounding(nn.Conv3d(1, 2, kernel_size=3), (1, 8, 8, 8), "cpu") == 0


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
