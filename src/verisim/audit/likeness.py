"""A small embedding that learns, on the training cases alone, what makes two images alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from verisim.audit.changes import Sample
from verisim.audit.collection import Collection
from verisim.audit.correlation import numbered_apart
from verisim.audit.measure import Alignment, Matches
from verisim.audit.planting import KINDS, Kind
from verisim.audit.texture import as_tensor, pooled, step_for
from verisim.progress import SILENT, Progress
from verisim.training.augmentation import seeded

WIDTHS = (16, 32, 64, 128)
"""Channels of the stages: about 0.3 million weights for volumes."""

VOXELS = 1 << 13
"""Larger images are embedded at half the voxels a side, or a quarter, …"""

TEMPERATURE = 0.1
SPREAD = 0.1
"""Weight of the term that keeps images apart (KoLeo, Sablayrolles 2019)."""

MARGIN = 0.05
RATE = 2e-3
LEFT_OUT = ("mask only", "quarter patch", "blend 70/30")
"""Kinds that show more than one patient, or no image."""


@dataclass(frozen=True)
class Likeness:
    """Cosine of embeddings, trained so that a case and its changed copy lie together.

    NT-Xent (Chen 2020) over pairs of a training case and a changed copy of it, with KoLeo to
    spread the rest, as in SSCD (Pizzi 2022); in the second half also DreamSim's hinge on
    triplets of a case, its changed copy, and another patient (Fu 2023).

    Args:
        kinds: Changes that leave a patient the same.
        steps: Of the training.
        batch: Cases a step.
        numbers: Of an embedding.
        seed: Same seed, same embedding.
        device: Where to compute.
    """

    kinds: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind.name not in LEFT_OUT)
    steps: int = 300
    batch: int = 24
    numbers: int = 64
    seed: int = 0
    device: str = "cpu"

    @property
    def name(self) -> str:
        """For tables."""
        return "embedding"

    def prepared(self, training: Collection, progress: Progress = SILENT) -> LikenessIndex:
        """See `Measure`."""
        with seeded(self.seed):
            network = Embedder(training.images.shape[1], self.numbers).to(self.device)
            self._train(network, training, progress)
        network.eval()
        points = embedded(network, training, self.device)
        return LikenessIndex(self.name, network, points, training.patients, self.device)

    def _train(self, network: Embedder, training: Collection, progress: Progress) -> None:
        draw = np.random.default_rng(self.seed)
        adam = torch.optim.AdamW(network.parameters(), lr=RATE)
        plan = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=self.steps + 1)
        for step in range(self.steps):
            progress.advance(step, self.steps, "embedding")
            rows = draw.permutation(len(training))[: self.batch]
            points = network(torch.cat([self._changed(training, rows, draw) for _ in range(2)]))
            own, changed = points[: len(rows)], points[len(rows) :]
            loss = contrast(points) + SPREAD * crowding(own)
            if 2 * step >= self.steps:  # first far apart, then in the right order
                loss = loss + hinge(own, changed, own.roll(1, 0))
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            plan.step()

    def _changed(
        self,
        training: Collection,
        rows: np.ndarray[tuple[int], np.dtype[np.intp]],
        draw: np.random.Generator,
    ) -> Tensor:
        images = []
        for row in rows:
            own = Sample(np.asarray(training.images[row], dtype=np.float32))
            kind = self.kinds[int(draw.integers(len(self.kinds)))]
            images.append(kind(own, own, draw).image)
        return as_tensor(np.stack(images), self.device)


class Embedder(nn.Module):
    """Four stages of convolutions, a mean over places, and a linear map to the unit sphere.

    Args:
        channels: Of the images.
        numbers: Of an embedding.
    """

    def __init__(self, channels: int, numbers: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = channels
        for width in WIDTHS:
            stages += [nn.Conv3d(before, width, 3, padding=1), nn.GroupNorm(8, width), nn.ReLU()]
            before = width
        self.stages = nn.ModuleList(stages)
        self.last = nn.Linear(2 * before, numbers)

    def forward(self, images: Tensor) -> Tensor:
        found = _standard(pooled(images, step_for(tuple(images.shape[2:]), VOXELS)))
        for stage in self.stages:
            found = stage(found)
            if isinstance(stage, nn.ReLU):
                sides = [2 if n > 1 else 1 for n in found.shape[2:]]
                found = functional.max_pool3d(found, sides)
        found = found.flatten(2)
        points = self.last(torch.cat([found.mean(2), found.std(2, correction=0)], dim=1))
        return functional.normalize(points, dim=1)


@dataclass(frozen=True, eq=False)
class LikenessIndex:
    """Embeddings of training cases, see `Index`.

    Args:
        name: Of the measure.
        network: Embeds queries.
        points: Of the training cases, (N, D).
        patients: Whose they are.
        device: Where to compute.
    """

    name: str
    network: Embedder
    points: Tensor
    patients: tuple[str, ...]
    device: str = "cpu"

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """See `Index`."""
        progress.advance(0, 1, self.name)
        own = embedded(self.network, queries, self.device)
        return most_alike(self.name, own, self.points, self.patients, not_of)


def most_alike(
    name: str,
    queries: Tensor,
    training: Tensor,
    patients: Sequence[str],
    not_of: Sequence[str] | None = None,
) -> Matches:
    """The training case of the largest cosine.

    Args:
        name: Of the measure.
        queries: Their points of norm 1, (Q, D).
        training: Likewise, (N, D).
        patients: Whose the training cases are.
        not_of: See `Index`.
    """
    cosines = (queries @ training.T).clamp(-1, 1)
    if not_of is not None:
        apart = numbered_apart(not_of, patients)
        cosines[apart.forbidden(slice(None), cosines.device)] = -2.0
    scores, rows = (found.cpu().numpy() for found in cosines.max(dim=1))
    return Matches(name, scores.astype(np.float64), rows, (Alignment(),) * len(rows))


def embedded(network: Embedder, cases: Collection, device: str, block: int = 16) -> Tensor:
    """Embeddings of cases, (N, D)."""
    with torch.inference_mode():
        parts = [
            network(as_tensor(cases.images[start : start + block], device))
            for start in range(0, len(cases), block)
        ]
    return torch.cat(parts)


def contrast(points: Tensor) -> Tensor:
    """NT-Xent of points (2B, D): the k-th and (B + k)-th belong together (Chen 2020, eq. 1)."""
    logits = points @ points.T / TEMPERATURE
    logits = logits.masked_fill(
        torch.eye(len(points), dtype=torch.bool, device=points.device), -1e4
    )
    half = len(points) // 2
    partner = torch.arange(len(points), device=points.device).roll(half)
    return functional.cross_entropy(logits, partner)


def hinge(own: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """DreamSim's loss of triplets (Fu 2023): `near` must be nearer than `far` by a margin.

    max(0, 0.05 - (D(own, far) - D(own, near))) with D = 1 - cosine, of unit points (B, D).
    """
    gained = (own * near).sum(1) - (own * far).sum(1)
    return (MARGIN - gained).clamp_min(0).mean()


def crowding(points: Tensor) -> Tensor:
    """KoLeo: mean of -ln of the distance to the nearest other point (Sablayrolles 2019)."""
    cosines = points @ points.T
    eye = torch.eye(len(points), dtype=torch.bool, device=points.device)
    nearest = cosines.masked_fill(eye, -1.0).max(dim=1).values
    return -(2 - 2 * nearest).clamp_min(1e-8).sqrt().log().mean()


def _standard(images: Tensor) -> Tensor:
    """Mean 0 and deviation 1 a channel."""
    centred = images - images.mean(dim=(2, 3, 4), keepdim=True)
    return centred / centred.square().mean(dim=(2, 3, 4), keepdim=True).sqrt().clamp_min(1e-6)
