"""Latent diffusion is trained in two halves by the one loop, and goes on in either."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training.balls import write_balls
from tests.training.tiny_run import a_ball
from verisim.card import ModelCard, read_card, write_model
from verisim.dataset import Dataset
from verisim.diffusion import Generation
from verisim.errors import BadCard, Cancelled
from verisim.networks.autoencoder import Autoencoder
from verisim.networks.latent_diffusion import LatentDiffusion, LatentGenerator
from verisim.networks.weights import weights_of
from verisim.synthesis import Synthesizer
from verisim.training.encoding import PRESSED, Encoding
from verisim.training.generating import Generating, coarseness
from verisim.training.generator_fit import GeneratorFit
from verisim.training.latent_fit import LatentFit, LearningOnLatents, LearningToEncode, fit_of
from verisim.training.schedule import Schedule

PLAN = LatentDiffusion(
    (4, 4, 8, 8), ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)), ((3, 3, 3),) * 4, latents=2
)
SCHEDULE = Schedule(iterations=5, batch_size=2, validate_every=2, warm_up=1)


@pytest.fixture
def untrained(a_generator: ModelCard) -> ModelCard:
    return replace(
        a_generator, sha256="", patch_size=(24, 24, 24), training=None, network=PLAN, name="latent"
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return write_balls(tmp_path / "balls", 7, 2)


class Stop:
    """Cancels at a step of one of the halves."""

    def __init__(self, half: str, step: int) -> None:
        self.half, self.left = half, step

    def advance(self, done: int, total: int, message: str = "") -> None:
        if message.startswith(f"{self.half} of 2"):
            self.left -= 1
            if self.left < 0:
                raise Cancelled("Enough.", "Go on later.")


def test_both_halves_are_written_as_one_model(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    fit = fit_of(untrained)(untrained, dataset, SCHEDULE)
    card = fit(tmp_path / "run", tmp_path / "models")
    assert read_card(card.card_path) == card
    network = card.load()
    assert isinstance(network, LatentGenerator)
    assert network.get_buffer("box_mean").min() > 1
    assert not torch.equal(
        network.autoencoder.get_buffer("deviation"), torch.ones(PLAN.latents)
    ), "the scale was measured"
    for half in ("autoencoder", "diffusion"):
        assert (tmp_path / "run" / half / "curves.csv").is_file()
    (case,) = Synthesizer(card)(range(1))
    assert case.volume.spatial_shape == case.label_map.spatial_shape


def test_the_scale_is_that_of_the_cases_it_learned_from(untrained: ModelCard) -> None:
    examples = [a_ball(k) for k in range(4)]
    encoding = LearningToEncode(untrained, examples, examples[:1], SCHEDULE)
    start = weights_of(encoding.start())
    weights = encoding.scaled(start)
    assert all(torch.equal(weights[k], one) for k, one in start.items() if one.ndim > 1)
    learning = LearningOnLatents(untrained, examples, examples, SCHEDULE, autoencoder=weights)
    network = learning.start()
    assert isinstance(network, LatentGenerator)
    batches = learning._batches(examples, SCHEDULE.seed, changed=False)
    seen = [(batches(k).image, batches(k).inside) for k in range(32)]
    latents = torch.cat([network.encoded(*one) for one in seen])
    kept = torch.cat([network.autoencoder.blocks(inside) for _, inside in seen])[:, 0] > 0
    numbers = latents.movedim(1, 0)[:, kept]
    torch.testing.assert_close(numbers.mean(1), torch.zeros(2), atol=0.05, rtol=0)
    torch.testing.assert_close(numbers.std(1), torch.ones(2), atol=0.05, rtol=0)


def test_the_autoencoder_is_held_while_diffusion_learns(
    untrained: ModelCard, tmp_path: Path
) -> None:
    examples = [a_ball(k) for k in range(2)]
    learning = LearningOnLatents(untrained, examples, examples, SCHEDULE)
    loop, batches = learning.loop(tmp_path), learning.batches()
    before = weights_of(loop.network)
    loop.step(batches(0))
    after = weights_of(loop.network)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not [name for name in moved if name.startswith("autoencoder.")]


@pytest.mark.parametrize(("half", "step"), [("autoencoder", 2), ("diffusion", 3)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path, half: str, step: int
) -> None:
    fit = LatentFit(untrained, dataset, SCHEDULE)
    whole = fit(tmp_path / "whole", tmp_path / "models")
    with pytest.raises(Cancelled):
        fit(tmp_path / "parts", tmp_path / "others", Stop(half, step))
    parts = fit(tmp_path / "parts", tmp_path / "others")
    expected, found = load_file(whole.weights_path), load_file(parts.weights_path)
    assert all(torch.equal(found[name], one) for name, one in expected.items())


def test_minutes_are_shared_and_planned_once(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    fit = LatentFit(untrained, dataset, SCHEDULE, minutes=0.02)
    card = fit(tmp_path / "run", tmp_path / "models")
    assert card.training is not None
    planned = [
        (tmp_path / "run" / half / "schedule.toml") for half in ("autoencoder", "diffusion")
    ]
    before = [one.read_text() for one in planned]
    fit(tmp_path / "run", tmp_path / "models")
    assert [one.read_text() for one in planned] == before


def test_trained_further_it_keeps_its_autoencoder(
    untrained: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    first = LatentFit(untrained, dataset, SCHEDULE)(tmp_path / "run", tmp_path / "models")
    second = LatentFit(first, dataset, SCHEDULE)(tmp_path / "more", tmp_path / "models")
    assert second.version == first.version + 1
    before, after = load_file(first.weights_path), load_file(second.weights_path)
    held = [name for name in before if name.startswith("autoencoder.")]
    assert held
    assert all(torch.equal(before[name], after[name]) for name in held)
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_an_autoencoder_learns_to_give_back_what_it_saw(
    untrained: ModelCard, tmp_path: Path
) -> None:
    examples = [a_ball(k) for k in range(3)]
    schedule = Schedule(iterations=50, batch_size=2, warm_up=5, learning_rate=1e-2)
    learning = LearningToEncode(untrained, examples, examples[:1], schedule)
    loop, batches = learning.loop(tmp_path), learning.batches()
    before = learning.score(loop.network)
    for step in range(50):
        loop.step(batches(step))
    assert learning.score(loop.network) > 0.8 * before


def test_a_perfect_autoencoder_has_no_error_but_its_divergence(untrained: ModelCard) -> None:
    """Of latent numbers as N(0, 1) the divergence is 0 as well."""

    class Perfect(Autoencoder):
        def encode(self, image: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
            self.seen = image
            none = self.blocks(inside).expand(-1, self.latents, -1, -1, -1) * 0
            return none, none

        def decode(self, latents: Tensor, masks: Tensor, inside: Tensor) -> Tensor:
            return self.seen * inside

    network = Perfect(PLAN.autoencoding, 1, 3, 2)
    examples = [a_ball(0)]
    batch = LearningToEncode(untrained, examples, examples, SCHEDULE).batches()(0)
    assert Encoding(0)(network, batch, 0).item() == pytest.approx(0, abs=1e-6)
    shifted = Autoencoder(PLAN.autoencoding, 1, 3, 2)
    assert Encoding(0)(shifted, batch, 0).item() > PRESSED


def test_only_autoencoders_learn_to_encode(untrained: ModelCard) -> None:
    batch = LearningToEncode(untrained, [a_ball(0)], [a_ball(0)], SCHEDULE).batches()(0)
    with pytest.raises(BadCard, match="Only autoencoders"):
        Encoding(0)(nn.Identity(), batch, 0)


def test_a_perfect_autoencoder_makes_it_diffusion_of_voxels(a_generator: ModelCard) -> None:
    """With an identity in place of the autoencoder loss and cases are those without one."""
    voxels = a_generator.load()

    class Identity(type(voxels)):  # type: ignore[misc]  # the class is known at run time only
        def encoded(self, image: Tensor, inside: Tensor) -> Tensor:
            return image.clone()

        def decoded(self, clean: Tensor, masks: Tensor, inside: Tensor) -> Tensor:
            return clean.clone()

    latent = a_generator.load()
    latent.__class__ = Identity
    card = replace(a_generator, patch_size=(24, 24, 24))
    batch = LearningToEncode(card, [a_ball(0)], [a_ball(0)], SCHEDULE)._batches(
        [a_ball(0)], 0, changed=False
    )(0)
    losses = [Generating(Generation(), 0)(network, batch, 3) for network in (voxels, latent)]
    assert torch.equal(*losses)


def test_finer_grids_of_labels_learn_from_more_noise() -> None:
    usual, finer = torch.zeros(1, 3, 20, 28, 20), torch.zeros(1, 3, 40, 56, 40)
    assert coarseness(usual) == 0 == coarseness(usual[..., ::2])
    assert coarseness(finer) == pytest.approx(1.5 * 0.6931, abs=1e-3)


def test_other_generators_are_trained_in_one(a_generator: ModelCard) -> None:
    assert fit_of(a_generator) is GeneratorFit


def test_weights_of_another_plan_are_refused(untrained: ModelCard, tmp_path: Path) -> None:
    written = write_model(untrained, weights_of(untrained.build()), tmp_path)
    wider = replace(written, network=replace(PLAN, latents=3))
    with pytest.raises(BadCard, match="do not fit"):
        wider.load()
