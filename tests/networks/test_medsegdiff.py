"""MedSegDiff's network looks at the image anew at each step, in volumes and in slices."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from verisim.errors import BadCard
from verisim.networks.medsegdiff import DynamicCondition, MaskDenoiser, MedSegDiff

VOLUMES = MedSegDiff((8, 16), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)))
SLICES = MedSegDiff((8, 16), ((1, 1, 1), (1, 2, 2)), ((1, 3, 3), (1, 3, 3)))
SPECTRAL = replace(VOLUMES, spectral=True)
SHAPES = [
    (VOLUMES, (8, 12, 10)),
    (SLICES, (1, 12, 10)),
    (SLICES, (3, 8, 8)),
    (SPECTRAL, (8, 12, 10)),
]
shapes = pytest.mark.parametrize(("plan", "size"), SHAPES)


def values(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network_of(plan: MedSegDiff) -> MaskDenoiser:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return plan.build(channels=2, classes=3).eval()


@shapes
def test_masks_keep_their_shape(plan: MedSegDiff, size: tuple[int, ...]) -> None:
    network = network_of(plan)
    answer = network(values(4, 3, *size), torch.rand(4), values(4, 2, *size))
    assert answer.shape == (4, 3, *size)


@shapes
def test_an_image_that_was_looked_at_before_gives_the_same_answer(
    plan: MedSegDiff, size: tuple[int, ...]
) -> None:
    network, noisy, image = network_of(plan), values(4, 3, *size), values(1, 2, *size)
    t = torch.full((4,), 0.5)
    with torch.inference_mode():
        once = network(noisy, t, image, network.look(image))
        torch.testing.assert_close(once, network(noisy, t, image))
        torch.testing.assert_close(once, network(noisy, t, image.expand(4, *image.shape[1:])))


@shapes
def test_samples_that_go_together_answer_as_each_alone(
    plan: MedSegDiff, size: tuple[int, ...]
) -> None:
    network, noisy, image = network_of(plan), values(3, 3, *size), values(1, 2, *size)
    t = torch.tensor([0.1, 0.5, 0.9])
    with torch.inference_mode():
        together = network(noisy, t, image)
        alone = [network(noisy[k : k + 1], t[k : k + 1], image) for k in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("change", ["dynamic", "ff_parser"])
def test_each_part_can_be_switched_off(change: str) -> None:
    part = replace(VOLUMES, **{change: False})  # type: ignore[arg-type]
    without, whole = network_of(part), network_of(VOLUMES)
    assert set(without.state_dict()) < set(whole.state_dict())
    size = (8, 8, 8)
    assert without(values(1, 3, *size), torch.rand(1), values(1, 2, *size)).shape == (1, 3, *size)


@pytest.mark.parametrize("dynamic", [True, False])
def test_what_the_image_contributes_follows_the_mask_only_when_it_is_dynamic(
    dynamic: bool,
) -> None:
    condition = DynamicCondition(4, None, dynamic)
    image = values(1, 4, 5, 5, 5)
    masks = [values(1, 4, 5, 5, 5, seed=seed) for seed in (1, 2)]
    looked = condition.looked_at(image)
    first, second = (condition(mask, looked) - mask for mask in masks)
    assert torch.allclose(first, second, atol=1e-5) is not dynamic


def test_without_the_dynamic_part_the_image_is_added_as_it_is() -> None:
    condition = DynamicCondition(4, None, dynamic=False)
    mask, image = values(1, 4, 5, 5, 5), values(1, 4, 5, 5, 5, seed=1)
    answer = condition(mask, condition.looked_at(image))
    torch.testing.assert_close(answer, mask + condition.mixing(image))


def test_the_answer_follows_the_time_the_mask_and_the_image() -> None:
    network, size = network_of(VOLUMES), (8, 8, 8)
    noisy, image, t = values(1, 3, *size), values(1, 2, *size), torch.tensor([0.2])
    first = network(noisy, t, image)
    for changed in (
        network(noisy, torch.tensor([0.8]), image),
        network(noisy.flip(2), t, image),
        network(noisy, t, image.flip(2)),
    ):
        assert not torch.allclose(first, changed, atol=1e-3)


def test_every_weight_learns() -> None:
    network, size = network_of(VOLUMES), (8, 8, 8)
    network(values(2, 3, *size), torch.rand(2), values(2, 2, *size)).square().mean().backward()
    still = [
        name
        for name, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.abs().sum() > 0
    ]
    # a constant before a normalization changes nothing
    assert [name for name in still if not name.endswith(("first.bias", "second.bias"))] == []


def test_stages_without_a_stride_are_refused() -> None:
    with pytest.raises(BadCard, match="3 stages cannot have 2 strides"):
        MedSegDiff((8, 16, 32), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)))
