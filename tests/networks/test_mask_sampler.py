"""Samples: the same for the same seed, however they are grouped, and shared where patches meet."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from verisim.diffusion import Cosine, Sampling
from verisim.errors import BadInput, Cancelled, Diverged
from verisim.networks.mask_sampler import MaskSampler, clean_mask, noise_at
from verisim.networks.medsegdiff import MaskDenoiser, MedSegDiff

PLAN = MedSegDiff((8, 16), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)))
SIZE = (8, 12, 10)


class Perfect(MaskDenoiser):
    """Knows the mask, whatever it is shown."""

    def __init__(self, truth: Tensor) -> None:
        super().__init__(PLAN, 1, truth.shape[0])
        self.logits = 40 * truth.float()
        self.asked = 0

    def forward(
        self, noisy: Tensor, t: Tensor, image: Tensor, seen: object | None = None
    ) -> Tensor:
        self.asked += len(noisy)
        return self.logits.expand(len(noisy), *self.logits.shape)


class Broken(MaskDenoiser):
    """Answers with numbers that are none."""

    def forward(
        self, noisy: Tensor, t: Tensor, image: Tensor, seen: object | None = None
    ) -> Tensor:
        return torch.full_like(noisy, torch.nan)


class Heard:
    """Remembers how far it was, and cancels at a step."""

    def __init__(self, cancel_at: float = 2.0) -> None:
        self.shares: list[float] = []
        self.cancel_at = cancel_at

    def advance(self, done: int, total: int, message: str = "") -> None:
        self.shares.append(done / total)
        if done / total >= self.cancel_at:
            raise Cancelled("Enough.", "Ask again.")


def a_mask() -> Tensor:
    """Three classes, (3, X, Y, Z), each voxel of exactly one."""
    found = torch.randint(3, SIZE, generator=torch.Generator().manual_seed(4))
    return torch.nn.functional.one_hot(found, 3).movedim(-1, 0)


def a_sampler(sampling: Sampling | None = None) -> MaskSampler:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return MaskSampler(PLAN.build(1, 3), sampling or Sampling()).eval()


def an_image(count: int = 1) -> Tensor:
    return torch.randn((count, 1, *SIZE), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("solver", ["ddim", "ddpm", "dpm-solver", "heun"])
@pytest.mark.parametrize("steps", [1, 3])
@torch.inference_mode()
def test_a_perfect_denoiser_gives_the_truth(solver: str, steps: int) -> None:
    truth = a_mask()
    sampling = replace(Sampling(samples=2, steps=steps), solver=solver)
    logits = MaskSampler(Perfect(truth), sampling)(an_image())
    assert torch.equal(logits[0].argmax(0), truth.argmax(0))
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(1, *SIZE))


@pytest.mark.parametrize(("solver", "each"), [("ddim", 4), ("dpm-solver", 4), ("heun", 7)])
@torch.inference_mode()
def test_evaluations_are_counted(solver: str, each: int) -> None:
    network = Perfect(a_mask())
    sampling = replace(Sampling(samples=3, steps=4), solver=solver)
    drawn = MaskSampler(network, sampling).samples(an_image(2))
    assert drawn.evaluations == network.asked == 2 * 3 * each
    assert drawn.probabilities.shape == (2, 3, 3, *SIZE)


@torch.inference_mode()
def test_the_same_seed_gives_the_same_samples_and_another_one_others() -> None:
    image = an_image()
    first, again = (a_sampler().samples(image).probabilities for _ in range(2))
    other = a_sampler(Sampling(seed=1)).samples(image).probabilities
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert not torch.allclose(first[0, 0], first[0, 1])


@pytest.mark.parametrize("solver", ["ddim", "ddpm"])
@torch.inference_mode()
def test_samples_do_not_depend_on_how_they_are_grouped(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = a_sampler(replace(Sampling(samples=3), solver=solver))
    together = sampler.samples(an_image(2)).probabilities
    monkeypatch.setattr("verisim.networks.mask_sampler.TOGETHER", {"cpu": 1})
    alone = torch.cat([sampler.samples(one[None]).probabilities for one in an_image(2)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    fewer = sampler.asked(replace(sampler.sampling, samples=2)).samples(an_image(2))
    torch.testing.assert_close(fewer.probabilities, together[:, :2], atol=1e-5, rtol=1e-4)


def test_neighbouring_patches_begin_with_the_same_noise_where_they_overlap() -> None:
    shape = (2, 8, 12, 10)
    first, second = (noise_at(shape, 0, 0, start) for start in ((0, 0, 0), (3, 5, 9)))
    assert torch.equal(first[:, 3:, 5:, 9:], second[:, :5, :7, :1])
    assert torch.equal(noise_at(shape, 0, 0, (8, 24, 10)), first)
    assert abs(float(first.mean())) < 0.1
    assert float(first.std()) == pytest.approx(1, abs=0.05)


class Echo(MaskDenoiser):
    """Takes the noisy mask for the mask."""

    def forward(
        self, noisy: Tensor, t: Tensor, image: Tensor, seen: object | None = None
    ) -> Tensor:
        return 40 * noisy


@torch.inference_mode()
def test_samples_start_from_the_anchor_where_there_is_one() -> None:
    prior = a_mask()
    patch = torch.cat([an_image(), prior[None, 1:].float()], dim=1)
    early, late = (
        MaskSampler(Echo(PLAN, 1, 3), Sampling(start=start))(patch)[0].argmax(0)
        for start in (0.05, 0.95)
    )
    assert torch.equal(early, prior.argmax(0))
    assert (late == prior.argmax(0)).float().mean() < 0.8


@torch.inference_mode()
def test_where_the_anchor_says_nothing_it_says_background() -> None:
    patch = torch.cat([an_image(), torch.zeros(1, 2, *SIZE)], dim=1)
    found = MaskSampler(Echo(PLAN, 1, 3), Sampling(start=0.05))(patch)
    assert not found.argmax(1).any()


@torch.inference_mode()
def test_sampling_ends_when_the_mean_has_settled() -> None:
    network = Perfect(a_mask())
    drawn = MaskSampler(network, Sampling(samples=8, steps=3, settled=0.01)).samples(an_image())
    assert network.asked == drawn.evaluations == 2 * 3
    assert drawn.probabilities.shape[1] == 8


@torch.inference_mode()
def test_progress_never_falls_and_ends_at_all() -> None:
    heard = Heard()
    a_sampler(Sampling(samples=4, steps=3, settled=1e-9)).samples(an_image(2), progress=heard)
    assert all(before <= after for before, after in pairwise(heard.shares))
    assert heard.shares[-1] == 1
    assert len(set(heard.shares)) >= 2 * 4 * 3


@torch.inference_mode()
def test_it_can_be_cancelled_between_two_steps() -> None:
    network = Perfect(a_mask())
    with pytest.raises(Cancelled):
        MaskSampler(network, Sampling(steps=3, settled=1e-9)).samples(
            an_image(), progress=Heard(0.2)
        )
    assert network.asked == 3


@torch.inference_mode()
def test_a_step_that_diverges_is_an_error_and_never_an_empty_mask() -> None:
    with pytest.raises(Diverged, match="Step 1 of 3"):
        MaskSampler(Broken(PLAN, 1, 3), Sampling(steps=3))(an_image())


@pytest.mark.parametrize(
    ("numbers", "named"),
    [({"samples": 0}, "0 samples"), ({"samples": -2}, "-2 samples"), ({"steps": 0}, "0 steps")],
)
def test_numbers_that_lead_nowhere_are_refused(numbers: dict[str, int], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        Sampling(**numbers)


@pytest.mark.parametrize("parameterization", ["noise", "velocity"])
def test_masks_are_found_whatever_the_network_predicts(parameterization: str) -> None:
    truth, t = 2.0 * a_mask()[None] - 1, torch.tensor([0.4])
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(3))
    schedule = Cosine()
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    noisy = alpha * truth + sigma * noise
    predicted = noise if parameterization == "noise" else alpha * noise - sigma * truth
    sampling = replace(Sampling(), parameterization=parameterization)
    torch.testing.assert_close(clean_mask(predicted, noisy, t, sampling), truth)


@torch.inference_mode()
def test_samples_take_turns_among_the_mirror_images() -> None:
    sampler, image = a_sampler(Sampling(samples=5)), an_image()
    plain = sampler.samples(image).probabilities
    turning = sampler.asked(sampler.sampling, (0, 2)).samples(image).probabilities
    for k, same in enumerate((True, False, False, False, True)):
        assert torch.allclose(turning[:, k], plain[:, k], atol=1e-5) == same


@torch.inference_mode()
def test_a_mirrored_sample_is_the_mirror_image_of_a_sample_of_the_mirror_image() -> None:
    """Noise belongs to places, so mirrored noise is shown beside the mirrored image."""
    sampler, image = a_sampler(Sampling(samples=2, steps=1)), an_image()
    second = sampler.asked(sampler.sampling, (1,)).samples(image).probabilities[:, 1]
    noise = noise_at((3, *SIZE), 0, 1, (0, 0, 0)).flip(2)[None]
    start = sampler.sampling.noise.latest
    noisy = sampler.sampling.noise.sigma(torch.tensor(start)) * noise
    predicted = sampler.denoiser(noisy, torch.tensor([start]), image.flip(3))
    torch.testing.assert_close(second, predicted.softmax(1).flip(3), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_truncated_start_is_mirrored_with_the_image() -> None:
    truth = a_mask()
    patch = torch.cat([an_image(), truth[None, 1:].float()], dim=1)
    sampling = Sampling(samples=2, steps=1, start=0.01)
    seen: list[Tensor] = []

    class Watched(Perfect):
        def forward(
            self, noisy: Tensor, t: Tensor, image: Tensor, seen_before: object | None = None
        ) -> Tensor:
            seen.append(noisy)
            return super().forward(noisy, t, image)

    MaskSampler(Watched(truth), sampling, (0,)).samples(patch)
    first, mirrored = (one[0].argmax(0) for one in seen)
    assert torch.equal(first, truth.argmax(0))
    assert torch.equal(mirrored, truth.argmax(0).flip(0))
