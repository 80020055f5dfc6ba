"""Whether a generator gives away whom it learned from, by how well it cleans their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from verisim.audit.findings import Membership
from verisim.audit.set_test import Above, set_p
from verisim.card import ModelCard
from verisim.dataset import Case
from verisim.diffusion import Generation, Karras, Preconditioned
from verisim.errors import BadCard
from verisim.metrics.intervals import Interval
from verisim.networks.case_diffusion import CaseGenerator
from verisim.precision import reduced_precision
from verisim.progress import SILENT, Progress
from verisim.training.batches import crop
from verisim.training.examples import Example, Reader
from verisim.training.generating import one_hot

FALSE_ONES = 0.01
"""Share of held-out patients that may be taken for training patients."""

NOISE = (0.35, 0.7, 1.4)
"""σ, in deviations of the image: with less every image is clean, with more none is told apart."""

NOISES = 3
"""Of each strength, the same for every case."""

RESAMPLES = 2000

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cleaning:
    """The error of one cleaned image.

    Args:
        network: Of the generator's images.
        schedule: The noise that it was trained with.
    """

    network: nn.Module
    schedule: Karras

    def __call__(
        self, clean: Tensor, known: Tensor, inside: Tensor, sigma: float, number: int
    ) -> float:
        """λ(σ) |D(x + σ ε; σ) - x|², averaged over what is inside.

        Args:
            clean: (1, C, X, Y, Z).
            known: Condition, (1, K, X, Y, Z).
            inside: 1 where the volume is, (1, 1, X, Y, Z).
            sigma: Strength of the noise.
            number: Of the noise.
        """
        generator = torch.Generator().manual_seed(number)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        noisy = (clean + sigma * noise) * inside
        time = self.schedule.time(torch.full((1,), sigma).to(clean))
        with torch.inference_mode(), reduced_precision(clean.device):
            cleaned = Preconditioned(self.network, self.schedule)(noisy, time, known)
        errors = ((cleaned - clean) ** 2 * inside).sum()
        voxels = max(float(inside.sum()) * clean.shape[1], 1.0)
        return float(errors) / voxels * (sigma**2 + 1) / sigma**2


def membership_of(
    training: Values,
    training_patients: Sequence[str],
    held_out: Values,
    held_out_patients: Sequence[str],
    seed: int = 0,
) -> Membership:
    """How well losses tell training patients from others (Carlini 2022).

    The intervals come from drawing patients again and again.

    Args:
        training: Loss of each training case; lower means better known.
        training_patients: Whose each is.
        held_out: Loss of each held-out case.
        held_out_patients: Whose each is.
        seed: Of the draws.
    """
    ours, theirs = (
        _by_patient(training, training_patients),
        _by_patient(held_out, held_out_patients),
    )
    draw = np.random.default_rng(seed)
    drawn = [
        (
            ours[draw.integers(len(ours), size=len(ours))],
            theirs[draw.integers(len(theirs), size=len(theirs))],
        )
        for _ in range(RESAMPLES)
    ]
    r = _rank(len(theirs))
    k = int((ours > np.sort(theirs)[-r]).sum())
    return Membership(
        auc=_interval(_auc(ours, theirs), [_auc(*pair) for pair in drawn]),
        tpr=_interval(_found(ours, theirs), [_found(*pair) for pair in drawn]),
        p=set_p([Above(k, len(ours), r, len(theirs))]),
        training=len(ours),
        held_out=len(theirs),
    )


def denoising_losses(
    card: ModelCard, cases: Sequence[Case], device: str = "cpu", progress: Progress = SILENT
) -> Values:
    """The mean error with which a generator cleans each case, (N,).

    λ(σ) |D(x + σ ε; σ) - x|² over several σ and ε, the same for every case (Karras 2022, eq. 2
    and 8).

    Args:
        card: The generator.
        cases: With labels.
        device: Where to compute.
        progress: Hears of every case; may cancel between two.

    Raises:
        BadCard: The model is no generator by diffusion.
    """
    network = card.load()
    if not isinstance(network, CaseGenerator) or not isinstance(card.generation, Generation):
        raise BadCard(
            f"{card.title} does not make cases by cleaning noise.",
            "Name a diffusion model that `verisim train-generator` made.",
        )
    network = network.to(device).eval()
    cleaning = Cleaning(network.image, card.generation.noise)
    reader, found = Reader(card), []
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), "cleaning")
        clean, known, inside = _laid(reader.example(case), card, network, device)
        each = [cleaning(clean, known, inside, s, n) for s in NOISE for n in range(NOISES)]
        found.append(np.mean(each))
    return np.array(found, dtype=np.float64)


def _laid(
    example: Example, card: ModelCard, network: CaseGenerator, device: str
) -> tuple[Tensor, Tensor, Tensor]:
    """What is cleaned, what is known of it, and where it is: each (1, channels, X, Y, Z)."""
    label = np.asarray(example.label)[np.newaxis]
    centre = [n // 2 for n in label.shape[1:]]
    arrays = (np.asarray(example.image), label, np.ones_like(label, np.float32))
    image, labels, inside = (
        torch.from_numpy(np.ascontiguousarray(crop(one, centre, card.patch_size)))[None]
        .float()
        .to(device)
        for one in arrays
    )
    masks = one_hot(labels, network.classes)
    if network.labels is None:
        return torch.cat([image, 2 * masks - 1], dim=1), inside, inside
    return network.encoded(image, inside), *network.told(masks * inside, inside)


def _by_patient(losses: Values, patients: Sequence[str]) -> Values:
    """Minus the mean loss of each patient: higher means better known."""
    _, whose = np.unique(np.array(patients), return_inverse=True)
    means: Values = np.bincount(whose, losses) / np.bincount(whose)
    return -means


def _auc(ours: Values, theirs: Values) -> float:
    ranks = rankdata(np.concatenate([ours, theirs]))[: len(ours)]
    n = len(ours)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * len(theirs)))


def _rank(held_out: int) -> int:
    """Of the threshold among held-out patients: above it are 1 % of others, or the least that so
    few can say."""
    return max(1, int(FALSE_ONES * (held_out + 1)))


def _found(ours: Values, theirs: Values) -> float:
    return float((ours > np.sort(theirs)[-_rank(len(theirs))]).mean())


def _interval(value: float, drawn: Sequence[float]) -> Interval:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(value, float(low), float(high))
