"""Networks that make cases: for volumes and slices, one after the other or together."""

import pytest
import torch

from verisim.errors import BadCard
from verisim.networks.case_diffusion import CaseDiffusion, CaseGenerator
from verisim.networks.unet import Triple

VOLUMES = CaseDiffusion((4, 8, 8), ((1, 1, 1), (2, 2, 2), (2, 2, 2)), ((3, 3, 3),) * 3)
SLICES = CaseDiffusion((4, 8, 8), ((1, 1, 1), (2, 2, 1), (2, 2, 1)), ((3, 3, 1),) * 3)


@pytest.mark.parametrize(
    ("plan", "size"), [(VOLUMES, (8, 12, 16)), (SLICES, (8, 12, 1))], ids=["volume", "slice"]
)
@torch.inference_mode()
def test_what_is_made_has_the_shape_of_what_is_noisy(plan: CaseDiffusion, size: Triple) -> None:
    network = plan.build(channels=2, classes=3)
    assert network.labels is not None
    image = network.image(torch.randn(2, 2, *size), torch.rand(2), torch.ones(2, 4, *size))
    assert image.shape == (2, 2, *size)
    coarse = [side // step for side, step in zip(size, plan.coarse, strict=True)]
    labels = network.labels(torch.randn(1, 3, *coarse), torch.rand(1), torch.ones(1, 1, *coarse))
    assert labels.shape == (1, 3, *coarse)


def test_together_there_is_one_network_of_all_channels() -> None:
    plan = CaseDiffusion(VOLUMES.features, VOLUMES.strides, VOLUMES.kernel_sizes, joint=True)
    network = plan.build(channels=2, classes=3)
    assert network.labels is None
    assert network.image.made == 5


def test_every_weight_learns() -> None:
    network = VOLUMES.build(channels=1, classes=3)
    assert network.labels is not None
    size = (8, 8, 8)
    image = network.image(torch.randn(1, 1, *size), torch.rand(1), torch.ones(1, 4, *size))
    coarse = torch.randn(1, 3, 4, 4, 4)
    labels = network.labels(coarse, torch.rand(1), torch.ones(1, 1, 4, 4, 4))
    (image.square().mean() + labels.square().mean()).backward()
    silent = [name for name, one in network.named_parameters() if one.grad is None]
    assert not silent


def a_network(shapes: list[Triple]) -> CaseGenerator:
    network = VOLUMES.build(channels=1, classes=3)
    network.remember(shapes)
    return network


def test_new_volumes_are_as_large_as_those_learned_from() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn((2000, 3), generator=generator)
    # the second axis follows the first
    shapes = [
        (round(30 + 3 * a), round(40 + 3 * a + b), round(20 + c)) for a, b, c in drawn.tolist()
    ]
    network = a_network(shapes)
    found = [network.box((64, 64, 64), generator) for _ in range(2000)]
    real, made = (torch.tensor(boxes, dtype=torch.float64).T for boxes in (shapes, found))
    torch.testing.assert_close(made.mean(1), real.mean(1), rtol=0.02, atol=0.5)
    torch.testing.assert_close(torch.corrcoef(made), torch.corrcoef(real), rtol=0, atol=0.15)


def test_no_volume_is_larger_than_a_patch() -> None:
    network = a_network([(30, 40, 20), (50, 60, 30), (40, 44, 28)])
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        box = network.box((32, 32, 16), generator)
        assert all(1 <= n <= side for n, side in zip(box, (32, 32, 16), strict=True))


def test_stages_without_strides_are_refused() -> None:
    with pytest.raises(BadCard, match="stages"):
        CaseDiffusion((4, 8), ((1, 1, 1),), ((3, 3, 3), (3, 3, 3)))
