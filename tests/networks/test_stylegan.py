"""StyleGAN: its equations, and what follows from them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from verisim.errors import BadCard, BadInput
from verisim.networks.discriminator import Discriminator, with_variety
from verisim.networks.equalized import Convolution, StyledConvolution, convolved
from verisim.networks.stylegan import Latents, StyleGan, StyleGenerator

SPATIAL = ((1, 1, 1), (2, 2, 2), (2, 2, 2))
FLAT = ((1, 1, 1), (2, 2, 1), (2, 2, 1))


def a_plan(flat: bool = False) -> StyleGan:
    kernel, coarsest = ((3, 3, 1), (3, 2, 1)) if flat else ((3, 3, 3), (3, 2, 2))
    return StyleGan((4, 8, 8), FLAT if flat else SPATIAL, (kernel,) * 3, coarsest, 8, 2)


def a_network(flat: bool = False) -> StyleGenerator:
    torch.manual_seed(0)
    return a_plan(flat).build(2, 3).eval()


def cases(network: StyleGenerator, latent: torch.Tensor, truncation: float = 1.0) -> torch.Tensor:
    with torch.inference_mode():
        return network(network.styles(latent, truncation), torch.Generator().manual_seed(1))


def test_a_styled_convolution_is_one_of_modulated_and_demodulated_weights() -> None:
    torch.manual_seed(0)
    layer = StyledConvolution(3, 5, (3, 3, 3), latent=4)
    features, style = torch.randn(2, 3, 6, 5, 4), torch.randn(2, 4)
    scales = layer.style(style)
    for k in range(2):  # equations 1 to 3 of Karras 2020, case by case
        weight = layer.weight * layer.gain * scales[k][None, :, None, None, None]
        weight = weight / (weight.square().sum(dim=(1, 2, 3, 4), keepdim=True) + 1e-8).sqrt()
        expected = functional.conv3d(features[k : k + 1], weight, layer.bias, padding=1)
        found = layer(features[k : k + 1], style[k : k + 1])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_slices_are_convolved_as_volumes_are() -> None:
    torch.manual_seed(0)
    features, weight, bias = torch.randn(2, 3, 7, 6, 1), torch.randn(5, 3, 3, 3, 1), torch.ones(5)
    expected = functional.conv3d(features, weight, bias, padding=(1, 1, 0))
    torch.testing.assert_close(convolved(features, weight, bias, (1, 1, 0)), expected)


def test_layers_keep_the_variance_of_what_they_see() -> None:
    torch.manual_seed(0)
    made = Convolution(64, 64, (3, 3, 3))(torch.randn(2, 64, 8, 8, 8))
    assert 0.7 < made.std().item() < 1.1  # less at the borders


@pytest.mark.parametrize("flat", [False, True])
def test_a_case_is_an_image_and_shares_of_labels(flat: bool) -> None:
    network = a_network(flat)
    made = cases(network, torch.randn(3, 8))
    assert made.shape == (3, 5, *network.plan.patch)
    assert network.plan.patch == ((12, 8, 1) if flat else (12, 8, 8))
    shares = (made[:, 2:] + 1) / 2
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(3, *network.plan.patch))
    assert shares.min() >= 0


def test_styles_truncated_to_nothing_are_all_the_mean_one() -> None:
    network = a_network()
    network.get_buffer("mean_style").normal_()
    latent = torch.randn(2, 8)
    usual = network.styles(latent, 1e-9)
    torch.testing.assert_close(usual[0], usual[1])
    torch.testing.assert_close(usual[0], network.get_buffer("mean_style"))
    assert not torch.allclose(*cases(network, latent))


def test_the_mean_style_is_learned_in_training_alone() -> None:
    network = a_network()
    network.styles(torch.randn(4, 8))
    assert network.get_buffer("mean_style").abs().max() == 0
    for _ in range(3000):
        network.train().styles(torch.randn(64, 8))
    mean = network.styles(torch.randn(20_000, 8)).mean(dim=0)
    torch.testing.assert_close(network.get_buffer("mean_style"), mean, atol=0.03, rtol=0.1)


def test_the_length_of_a_latent_vector_says_nothing() -> None:
    network, latent = a_network(), torch.randn(1, 8)
    torch.testing.assert_close(cases(network, latent), cases(network, 7 * latent))


def test_a_discriminator_judges_each_case() -> None:
    judged = Discriminator(a_plan(), 6)(torch.randn(8, 6, 12, 8, 8))
    assert judged.shape == (8,)


def test_cases_that_are_all_the_same_show_no_variety() -> None:
    same = torch.randn(1, 3, 4, 4, 4).expand(8, -1, -1, -1, -1)
    assert with_variety(same)[:, -1].abs().max() < 1e-3
    assert with_variety(torch.randn(8, 3, 4, 4, 4))[:, -1].min() > 0.5
    assert with_variety(torch.randn(6, 3, 4, 4, 4)).shape == (6, 4, 4, 4, 4)


@pytest.mark.parametrize("truncation", [0.0, -1.0, 2.5, float("nan")])
def test_no_truncation_beyond_what_makes_cases(truncation: float) -> None:
    with pytest.raises(BadInput, match="truncated"):
        Latents(truncation=truncation)


def test_a_network_without_a_first_grid_is_refused() -> None:
    with pytest.raises(BadCard, match="first grid"):
        StyleGan((4, 8), SPATIAL[:2], ((3, 3, 3),) * 2, (0, 2, 2))
