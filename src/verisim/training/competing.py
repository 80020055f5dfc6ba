"""What a StyleGAN is trained for: to make cases that a second network takes for real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from verisim.errors import BadCard
from verisim.networks.discriminator import Discriminator
from verisim.networks.stylegan import StyleGenerator
from verisim.precision import reduced_precision
from verisim.training.adaptive import changed
from verisim.training.batches import Batch
from verisim.training.generating import one_hot

EVERY = 16
"""Steps between two looks at the slope of the discriminator (lazy regularization; Karras 2020)."""

STEEPEST = 1e-3
"""Weight of that slope, times voxels, divided by cases a step (Karras 2020, appendix C)."""

SURE = 0.6
"""Share by which more real cases may be recognized than not; above it cases are changed more."""

REACTION = 50_000
"""Cases within which changes can go from none to all."""

MOST_CHANGED = 0.8
"""Share of changed cases; beyond it the generator would learn the changes."""

BLURRED = 0.5
"""How much real masks are mixed with their means over 3 voxels: hard edges would give them away,
which no generator makes."""


OWN = "generator."
"""What the names of the generator's weights begin with, beside those of the discriminator."""


class Adversaries(nn.Module):
    """A generator, the discriminator that it has to convince, and how much that one is shown.

    Args:
        generator: Makes cases.
        discriminator: Judges them.
    """

    def __init__(self, generator: StyleGenerator, discriminator: Discriminator) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.register_buffer("probability", torch.zeros(()))

    @classmethod
    def of(cls, generator: StyleGenerator) -> Adversaries:
        """A generator beside a discriminator that has learned nothing."""
        made = generator.channels + generator.classes
        return cls(generator, Discriminator(generator.plan, made + 1))

    def made(self, inside: Tensor, generator: torch.Generator) -> Tensor:
        """New cases (B, C + K + 1, X, Y, Z) in boxes (B, 1, X, Y, Z)."""
        shape = (len(inside), self.generator.plan.latent)
        latent = torch.randn(shape, generator=generator, device=generator.device)
        case = self.generator(self.generator.styles(latent.to(inside.device)), generator)
        return within(case, inside)

    def adapt(self, judged: Tensor) -> None:
        """Change cases more if too many real ones are recognized, else less."""
        with torch.no_grad():
            step = (judged.sign().mean() - SURE).sign() * len(judged) / REACTION
            self.get_buffer("probability").add_(step).clamp_(0, MOST_CHANGED)


@dataclass(frozen=True)
class Competing:
    """Logistic losses of both networks, and the slope of the discriminator at real cases.

    Both learn in the same step: the generator from a discriminator whose weights are held, the
    discriminator from cases whose generator is (Goodfellow 2014; slope: Mescheder 2018, R1).

    Args:
        seed: With the number of the step it decides everything.
    """

    seed: int

    def __call__(self, network: nn.Module, batch: Batch, step: int) -> Tensor:
        """See `Objective`."""
        if not isinstance(network, Adversaries):
            raise BadCard("Only a StyleGAN learns by competing.", "Train it otherwise.")
        device = network.get_buffer("probability").device
        generator = torch.Generator(device).manual_seed(self.seed * 1_000_003 + step)
        real, inside = real_cases(batch, network.generator.classes, device)
        channels, share = network.generator.channels, network.get_buffer("probability")
        with reduced_precision(device):
            made = network.made(inside, generator)
            shown = changed(made.float(), channels, share, generator)
            truth = changed(real, channels, share, generator)
            held = {k: one.detach() for k, one in network.discriminator.named_parameters()}
            convincing = functional_call(network.discriminator, held, (shown,))
            judged = network.discriminator(torch.cat([shown.detach(), truth]))
        false, true = judged.chunk(2)
        network.adapt(true)
        loss = functional.softplus(-convincing) + functional.softplus(false)
        loss = (loss + functional.softplus(-true)).mean()
        return loss + _slope(network.discriminator, truth) if step % EVERY == 0 else loss


def real_cases(batch: Batch, classes: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Real cases as a generator makes them, (B, C + K + 1, X, Y, Z), and their boxes."""
    image, inside = batch.image.to(device), batch.inside.to(device)
    masks = one_hot(batch.label.to(device), classes)
    size = tuple(3 if side > 1 else 1 for side in masks.shape[2:])
    padding = tuple(side // 2 for side in size)
    means = functional.avg_pool3d(masks, size, 1, padding, count_include_pad=False)
    soft = masks.lerp(means, BLURRED)
    return within(torch.cat([image, 2 * soft - 1], dim=1), inside), inside


def within(case: Tensor, inside: Tensor) -> Tensor:
    """A case with nothing beyond its box, and the box beside it."""
    return torch.cat([case * inside, inside], dim=1)


def of_generator(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Those weights of both networks that make cases; those of other networks as they are."""
    own = {k.removeprefix(OWN): one for k, one in weights.items() if k.startswith(OWN)}
    return own or weights


def _slope(discriminator: Discriminator, real: Tensor) -> Tensor:
    """γ/2 |∇D|² at real cases, for all the steps until the next look (Mescheder 2018, eq. 9)."""
    seen = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(seen).sum(), seen, create_graph=True)
    weight = STEEPEST * seen[0, 0].numel() / len(seen)
    return EVERY * weight / 2 * slope.square().flatten(1).sum(dim=1).mean()
