"""Autoencoders and diffusion of their numbers: shapes, parts, and what is told to whom."""

from dataclasses import replace

import pytest
import torch

from verisim.errors import BadCard
from verisim.networks.attributes import Attribute, beside
from verisim.networks.autoencoder import Autoencoder
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.networks.latent_diffusion import (
    REACH,
    TILE,
    LatentDiffusion,
    LatentGenerator,
    fold,
    tiles,
    unfold,
)
from verisim.networks.unet import Triple
from verisim.networks.weights import fill, weights_of

VOLUMES = LatentDiffusion(
    (4, 4, 8, 8), ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)), ((3, 3, 3),) * 4, latents=3
)
SLICES = LatentDiffusion(
    (4, 4, 8, 8), ((1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 1)), ((3, 3, 1),) * 4, latents=3
)
SKEWED = LatentDiffusion(
    (4, 4, 8, 8), ((1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2)), ((1, 3, 3), *((3, 3, 3),) * 3), 3
)


def awake(network: LatentGenerator) -> LatentGenerator:
    """With every weight at random: nothing is left out because it begins at zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one in network.parameters():
            one.copy_(torch.randn(one.shape, generator=generator) * (0.3 if one.ndim < 2 else 0.1))
    return network.eval()


def boxed(size: Triple, box: Triple) -> torch.Tensor:
    inside = torch.zeros(1, 1, *size)
    inside[..., : box[0], : box[1], : box[2]] = 1
    return inside


@pytest.mark.parametrize(
    ("plan", "size", "box", "blocks"),
    [
        (VOLUMES, (16, 24, 8), (16, 24, 8), (4, 6, 2)),
        (VOLUMES, (16, 24, 8), (13, 17, 5), (4, 6, 2)),
        (SLICES, (16, 24, 1), (11, 21, 1), (4, 6, 1)),
        (SKEWED, (16, 24, 8), (15, 24, 3), (8, 6, 2)),
    ],
    ids=["volume", "odd-box", "slice", "anisotropic"],
)
@torch.inference_mode()
def test_an_image_goes_to_its_blocks_and_back_to_its_box(
    plan: LatentDiffusion, size: Triple, box: Triple, blocks: Triple
) -> None:
    network = awake(plan.build(channels=2, classes=3))
    inside, masks = boxed(size, box), torch.zeros(1, 3, *size)
    image = torch.randn(1, 2, *size)
    latents = network.encoded(image, inside)
    assert latents.shape == (1, 3, *blocks)
    back = network.decoded(latents, masks, inside)
    assert back.shape == image.shape
    assert not (back * (1 - inside)).any()
    known, place = network.told(masks, inside)
    assert known.shape == (1, 4, *blocks)
    assert bool((place.bool() == (known[:, -1:] > 0)).all()), "a block counts with its first voxel"
    assert not (latents * (1 - place)).any()


@torch.inference_mode()
def test_what_lies_beyond_the_box_is_not_seen() -> None:
    network, inside = awake(VOLUMES.build(1, 3)), boxed((16, 16, 16), (11, 13, 9))
    image, noise = torch.randn(2, 1, 1, 16, 16, 16)
    other = image * inside + noise * (1 - inside)
    assert torch.equal(network.encoded(image, inside), network.encoded(other, inside))


@torch.inference_mode()
def test_a_large_image_in_parts_is_the_image_as_a_whole() -> None:
    network = awake(VOLUMES.build(1, 3))
    blocks = (TILE + 9, 7, 5)
    size = (4 * blocks[0], 28, 20)
    latents, inside = torch.randn(1, 3, *blocks), boxed(size, (4 * blocks[0] - 3, 25, 20))
    masks = torch.rand(1, 3, *size).round()
    kept = network.autoencoder.unscaled(latents) * network.autoencoder.blocks(inside)
    whole = network.autoencoder.decode(kept, masks, inside)
    torch.testing.assert_close(network.decoded(latents, masks, inside), whole, atol=1e-5, rtol=0)


def test_parts_fill_the_whole_once() -> None:
    blocks, step = torch.Size((TILE * 2 + 1, TILE, 3)), (4, 2, 1)
    seen = torch.zeros([n * m for n, m in zip(blocks, step, strict=True)])
    for wide, core, place in tiles(blocks, step):
        assert all(one.stop - one.start <= TILE + 2 * REACH for one in wide)
        assert [c.stop - c.start for c in core] == [p.stop - p.start for p in place]
        seen[place] += 1
    assert bool((seen == 1).all())


def test_the_decoder_follows_the_label_map() -> None:
    network, inside = awake(VOLUMES.build(1, 3)), torch.ones(1, 1, 8, 8, 8)
    masks = torch.zeros(1, 3, 8, 8, 8)
    masks[:, 1, 2, 3, 4] = 1
    latents = torch.zeros(1, 3, 2, 2, 2)
    moved = network.decoded(latents, masks, inside) - network.decoded(latents, 0 * masks, inside)
    assert moved.abs().max() > 1e-3


def test_latent_numbers_are_scaled_to_deviation_1() -> None:
    generator = torch.Generator().manual_seed(0)
    network = Autoencoder(VOLUMES.autoencoding, 1, 3, 3)
    within = (torch.rand(4, 1, 6, 6, 6, generator=generator) < 0.5).float()
    wide = torch.tensor([0.1, 2.0, 30.0])[:, None, None, None]
    latents = 5 + wide * torch.randn(4, 3, 6, 6, 6, generator=generator) + 100 * (1 - within)
    network.scale((latents[k : k + 2], within[k : k + 2]) for k in (0, 2))
    scaled = network.scaled(latents).movedim(1, 0)[:, within[:, 0] > 0]
    torch.testing.assert_close(scaled.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std(1, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(network.unscaled(network.scaled(latents)), latents)
    other = Autoencoder(VOLUMES.autoencoding, 1, 3, 3)
    fill(other, weights_of(network))
    assert torch.equal(other.get_buffer("deviation"), network.get_buffer("deviation"))


def test_an_untrained_decoder_adds_nothing_in_its_residual_blocks() -> None:
    network = Autoencoder(VOLUMES.autoencoding, 1, 3, 3)
    features = torch.randn(1, 4, 4, 4, 4)
    assert torch.equal(network.drawing(features), features)


@pytest.mark.parametrize("step", [(2, 2, 2), (1, 2, 3), (2, 2, 1)])
def test_folding_keeps_every_voxel(step: Triple) -> None:
    fine = torch.randn(2, 3, 4, 6, 6)
    folded = fold(fine, step)
    assert torch.equal(unfold(folded, step), fine)
    a, b, c = step
    assert torch.equal(folded[0, : a * b * c, 0, 0, 0], fine[0, 0, :a, :b, :c].flatten())


@torch.inference_mode()
def test_labels_are_made_as_fine_as_without_an_autoencoder() -> None:
    network = awake(VOLUMES.build(1, 3))
    assert network.labels is not None
    plan = CaseDiffusion(VOLUMES.features, VOLUMES.strides, VOLUMES.kernel_sizes)
    assert network.plan.coarse == plan.coarse
    noisy, known = torch.randn(2, 3, 8, 12, 4), torch.ones(2, 1, 8, 12, 4)
    assert network.labels(noisy, torch.rand(2), known).shape == noisy.shape


def test_every_weight_learns() -> None:
    network, size = VOLUMES.build(1, 3), (16, 16, 16)
    inside, masks = torch.ones(1, 1, *size), torch.ones(1, 3, *size)
    known, _ = network.told(masks, inside)
    mean, logs = network.autoencoder.encode(torch.randn(1, 1, *size), inside)
    assert network.labels is not None
    made = (
        network.autoencoder.decode(mean + logs, masks, inside),
        network.image(torch.randn(mean.shape), torch.rand(1), known),
        network.labels(torch.randn(1, 3, 8, 8, 8), torch.rand(1), torch.ones(1, 1, 8, 8, 8)),
    )
    sum(one.square().mean() for one in made).backward()  # type: ignore[union-attr]
    assert not [name for name, one in network.named_parameters() if one.grad is None]


def test_without_an_autoencoder_what_is_made_is_the_image() -> None:
    plan = CaseDiffusion(VOLUMES.features, VOLUMES.strides, VOLUMES.kernel_sizes)
    network, image = plan.build(1, 3), torch.randn(1, 1, 8, 8, 8)
    masks, inside = torch.rand(1, 3, 8, 8, 8), torch.ones(1, 1, 8, 8, 8)
    assert network.encoded(image, inside) is image
    assert network.decoded(image, masks, inside) is image
    known, place = network.told(masks, inside)
    assert torch.equal(known, torch.cat([masks, inside], dim=1))
    assert torch.equal(place, inside)


@pytest.mark.parametrize(("stages", "latents"), [(3, 4), (4, 0)])
def test_too_few_stages_are_refused(stages: int, latents: int) -> None:
    strides = ((1, 1, 1), *((2, 2, 2),) * (stages - 1))
    with pytest.raises(BadCard, match="Latent diffusion cannot have"):
        LatentDiffusion((4,) * stages, strides, ((3, 3, 3),) * stages, latents)


@torch.inference_mode()
def test_both_denoisers_follow_attributes_but_unknown_ones() -> None:
    plan = replace(VOLUMES, attributes=(Attribute("size", ("large", "small")),))
    network = awake(plan.build(1, 3))
    assert network.labels is not None
    for denoiser, size in ((network.labels, 8), (network.image, 4)):
        noisy, t = torch.randn(1, denoiser.made, *(size,) * 3), torch.tensor([0.5])
        known = torch.ones(1, denoiser.known, *(size,) * 3)
        plain, unknown, large, small = (
            denoiser(noisy, t, one)
            for one in (
                known,
                *(beside(known, torch.tensor([told])) for told in ([0.0, 0], [1.0, 0], [0.0, 1])),
            )
        )
        assert torch.equal(plain, unknown)
        assert not torch.allclose(plain, large, atol=1e-3)
        assert not torch.allclose(large, small, atol=1e-3)
