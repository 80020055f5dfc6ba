"""Networks learn to name voxels, and to clean masks in view of the image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.training.tiny_run import EXAMPLES, PATCH, batches
from verisim.diffusion import Sampling
from verisim.metrics import dice
from verisim.networks.mask_sampler import MaskSampler
from verisim.networks.medsegdiff import MedSegDiff
from verisim.training.augmentation import seeded
from verisim.training.loop import Loop
from verisim.training.losses import dice_cross_entropy
from verisim.training.objectives import Cleaning
from verisim.training.schedule import Schedule

SCHEDULE = Schedule(
    iterations=150, learning_rate=5e-3, warm_up=10, validate_every=150, moving_average=0.9
)
SAMPLING = Sampling(samples=2)
T = 0.9


def a_network(sampling: Sampling = SAMPLING) -> MaskSampler:
    plan = MedSegDiff((8, 16), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3),) * 2)
    with seeded(0):
        return MaskSampler(plan.build(1, 3), sampling)


def objective(sampling: Sampling = SAMPLING) -> Cleaning:
    return Cleaning(sampling, dice_cross_entropy(), seed=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> MaskSampler:
    """A network that learned from two cases."""
    loop = Loop(a_network(), objective(), SCHEDULE, tmp_path_factory.mktemp("run"))
    loop.run(batches(SCHEDULE), lambda network: 0.0)
    network = loop.average.module
    assert isinstance(network, MaskSampler)
    return network.eval()


def patches() -> tuple[Tensor, Tensor]:
    """The middle of both cases: images (B, 1, X, Y, Z), labels (B, X, Y, Z)."""
    box = (slice(2, 2 + PATCH[0]),) * 3
    images = np.stack([example.image[(slice(None), *box)] for example in EXAMPLES])
    labels = np.stack([example.label[box] for example in EXAMPLES])
    return torch.from_numpy(images), torch.from_numpy(labels)


def foreground_dice(probabilities: Tensor, labels: Tensor) -> float:
    return dice(probabilities.argmax(1).numpy() > 0, labels.numpy() > 0)


@torch.inference_mode()
def test_it_learns_to_segment_from_pure_noise(trained: MaskSampler) -> None:
    images, labels = patches()
    assert foreground_dice(trained(images), labels) > 0.8


@torch.inference_mode()
def test_the_network_looks_at_the_image(trained: MaskSampler) -> None:
    """Told most of the truth, it must still need the image."""
    images, labels = patches()
    truth = 2 * torch.nn.functional.one_hot(labels.long(), 3).movedim(-1, 1).float() - 1
    generator = torch.Generator().manual_seed(0)
    times = torch.full((len(images),), T)
    noise = torch.randn(truth.shape, generator=generator)
    noisy = SAMPLING.noise.noised(truth, noise, times)
    blind = torch.randn(images.shape, generator=generator)
    with_image, without = (
        foreground_dice(trained.denoiser(noisy, times, image), labels) for image in (images, blind)
    )
    assert with_image - without > 0.2


def test_a_step_is_decided_by_its_number() -> None:
    batch, network = batches()(0), a_network()
    losses = [float(objective()(network, batch, step).detach()) for step in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


def test_half_of_the_steps_begin_where_sampling_begins() -> None:
    batch, network = batches()(0), a_network()
    seen: list[tuple[Tensor, Tensor]] = []
    begun = 0
    network.denoiser.register_forward_pre_hook(lambda _, given: seen.append(given[:2]))
    for step in range(60):
        seen.clear()
        objective()(network, batch, step)
        noisy, times = seen[-1]  # before it, a recycled mask may have been asked for
        if bool((times == SAMPLING.noise.latest).all()):
            # nothing of the mask is left: noise alone, which is as likely up as down
            assert abs(float(noisy.mean())) < 0.05
            begun += 1
    assert 20 <= begun <= 40


def test_a_mask_that_shines_through_may_be_wrong_but_has_as_many_voxels() -> None:
    batch, network = batches()(0), a_network()
    truth = torch.nn.functional.one_hot(batch.label[:, 0].long(), 3).movedim(-1, 1)
    seen: list[tuple[Tensor, Tensor]] = []
    network.denoiser.register_forward_pre_hook(lambda _, given: seen.append(given[:2]))
    displaced = 0
    for step in range(200):
        seen.clear()
        objective()(network, batch, step)
        noisy, times = seen[-1]
        for k in torch.nonzero(times < 0.08).flatten() if len(seen) == 1 else ():
            # not recycled, and hardly any noise: what is above 0 is the mask
            found = (noisy[k] > 0).long()
            assert torch.equal(found.sum(dim=(1, 2, 3)), truth[k].sum(dim=(1, 2, 3)))
            displaced += int(not torch.equal(found, truth[k]))
    assert displaced > 0


@pytest.mark.parametrize("parameterization", ["noise", "velocity"])
def test_squared_error_of_noise_or_velocity_begins_near_their_variance(
    parameterization: str,
) -> None:
    sampling = replace(SAMPLING, parameterization=parameterization)
    network = a_network(sampling)
    nn.init.zeros_(network.denoiser.head.weight)
    if network.denoiser.head.bias is not None:
        nn.init.zeros_(network.denoiser.head.bias)
    loss = objective(sampling)(network, batches()(0), step=0)
    assert float(loss.detach()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("step", range(4))
def test_a_batch_without_any_label_gives_a_finite_loss(step: int) -> None:
    batch = batches()(0)
    empty = replace(batch, label=torch.zeros_like(batch.label))
    loss = objective()(a_network(), empty, step)
    assert torch.isfinite(loss)


def test_a_killed_training_goes_on_as_it_would_have(tmp_path: Path) -> None:
    schedule = replace(SCHEDULE, iterations=8, validate_every=4)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = Loop(a_network(), objective(), schedule, tmp_path / "whole")
    whole.run(batches(schedule), lambda network: 0.0)
    first = Loop(a_network(), objective(), schedule, tmp_path / "parts")
    for step in range(4):
        first.step(batches(schedule)(step))
    first.save()
    second = Loop(a_network(), objective(), schedule, tmp_path / "parts")
    second.run(batches(schedule), lambda network: 0.0)
    for one, other in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)
