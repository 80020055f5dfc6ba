"""A training case laid onto a query so that their textures agree as well as they can."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from verisim.audit.poses import normalized, places
from verisim.audit.texture import FLOOR, smoothed

AFFINE_STEPS = 28
WARP_STEPS = 24
LINEAR_RATE = 0.015
"""Adam's step of the linear part: radians, or shares of the size."""

SHIFT_RATE = 0.25
"""Voxels of the grid."""

WARP_RATE = 0.3
WARP_EVERY = 9
"""Voxels between the points that a warp moves."""

LEAST_POWER = 0.25
"""Share of the usual strength of texture in a place: what has less counts as having so much."""

PLACE = 1.0
"""Voxels over which agreement is measured where its sign may change."""

LEAST_BOX = 0.25
"""Share of a query in which at least a training case must agree."""

MOST_EXCHANGED = 4
"""Channels that may have changed places."""

STIFFNESS = 0.02
"""Weight of the squared difference between neighbouring points."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Training cases laid onto queries.

    Args:
        matrices: Voxels of the query, from the middle, to those of the training case, (B, 3, 4).
        scores: Correlation of the textures, with what lies outside counted as disagreeing, (B,).
        laid: Texture of the training case on the voxels of the query, (B, C, X, Y, Z).
    """

    matrices: Tensor
    scores: Tensor
    laid: Tensor

    @cached_property
    def box(self) -> Tensor:
        """Where training cases lie on the voxels of queries, (B, 1, X, Y, Z) of 0 and 1."""
        everywhere = torch.ones_like(self.laid[:, :1])
        return (laid_on(everywhere, self.matrices) > 0.5).to(self.laid)

    def of(self, chosen: Tensor) -> Fit:
        """Some of them."""
        return Fit(self.matrices[chosen], self.scores[chosen], self.laid[chosen])


def laid_on(cases: Tensor, matrices: Tensor) -> Tensor:
    """Training cases (B, C, X, Y, Z) on the voxels of queries, see `Fit`; 0 beyond their box."""
    lattice = places(cases.shape[2:], cases)
    return _taken(cases, lattice @ matrices[:, :, :3].transpose(1, 2) + matrices[:, None, :, 3])


def fitted(
    queries: Tensor,
    cases: Tensor,
    start: Tensor,
    signs: Tensor,
    steps: int = AFFINE_STEPS,
    weights: Tensor | None = None,
) -> Fit:
    """Affine maps, by steps along the gradient of the correlation.

    Args:
        queries: Textures (B, C, X, Y, Z).
        cases: Those of training cases, (B, C, X, Y, Z).
        start: See `Fit.matrices`.
        signs: -1 for those that agree with black and white exchanged, (B,).
        steps: How many.
        weights: Where the queries are looked at, (B, 1, X, Y, Z); everywhere without.
    """
    lattice = places(queries.shape[2:], queries)
    linear = start[:, :, :3].clone().requires_grad_(True)
    offset = start[:, :, 3].clone().requires_grad_(True)
    adam = torch.optim.Adam(
        [{"params": [linear], "lr": LINEAR_RATE}, {"params": [offset], "lr": SHIFT_RATE}]
    )
    best = _Best(start, torch.full_like(signs, -2.0))
    for step in range(steps + 1):
        there = lattice @ linear.transpose(1, 2) + offset[:, None]
        score = signs * agreement(queries, _taken(cases, there), weights)
        best = best.better(torch.cat([linear, offset[..., None]], 2).detach(), score.detach())
        if step < steps:
            adam.zero_grad()
            (-score.sum()).backward()  # type: ignore[no-untyped-call]
            if queries.shape[4] == 1:
                _keep_in_plane(linear, offset)
            _cooled(adam, step, steps)
            adam.step()
    there = lattice @ best.matrices[:, :, :3].transpose(1, 2) + best.matrices[:, None, :, 3]
    return Fit(best.matrices, best.scores, _taken(cases, there))


def warped(
    queries: Tensor, cases: Tensor, fit: Fit, signs: Tensor, steps: int = WARP_STEPS
) -> Fit:
    """A smooth warp on top of affine maps, see `fitted`; the maps are left as they are."""
    shape = queries.shape[2:]
    lattice = places(shape, queries)
    there = lattice @ fit.matrices[:, :, :3].transpose(1, 2) + fit.matrices[:, None, :, 3]
    points = [max(2, round(n / WARP_EVERY) + 1) if n > 1 else 1 for n in shape]
    bend = torch.zeros(len(queries), 3, *points, device=queries.device, requires_grad=True)
    moving = torch.tensor([n > 1 for n in shape], device=queries.device)
    adam = torch.optim.Adam([bend], lr=WARP_RATE)
    best, laid = fit.scores, fit.laid
    for step in range(steps + 1):
        dense = functional.interpolate(bend, tuple(shape), mode="trilinear", align_corners=True)
        moved = there + (dense.flatten(2).transpose(1, 2) * moving)
        taken = _taken(cases, moved)
        score = signs * agreement(queries, taken)
        better = score.detach() > best
        best = torch.where(better, score.detach(), best)
        laid = torch.where(better[:, None, None, None, None], taken.detach(), laid)
        if step < steps:
            adam.zero_grad()
            loss = -score.sum() + STIFFNESS * _roughness(bend)
            loss.backward()  # type: ignore[no-untyped-call]
            _cooled(adam, step, steps)
            adam.step()
    return Fit(fit.matrices, best, laid)


def agreement(queries: Tensor, laid: Tensor, weights: Tensor | None = None) -> Tensor:
    """Correlation of textures (B, C, X, Y, Z); what lies outside a training case is 0 there.

    Args:
        queries: Textures.
        laid: Those of training cases on the same voxels.
        weights: Where to look, (B, 1, X, Y, Z).
    """
    if weights is not None:
        queries, laid = queries * weights, laid * weights
    product = (queries * laid).flatten(1).sum(1)
    power = queries.flatten(1).square().sum(1) * laid.flatten(1).square().sum(1)
    return product / power.sqrt().clamp_min(1e-12)


def agreement_inside(queries: Tensor, laid: Tensor, box: Tensor) -> Tensor:
    """Correlation of textures (B, C, X, Y, Z) where training cases lie, (B,).

    Args:
        queries: Textures.
        laid: Those of training cases on the same voxels.
        box: Where these lie, (B, 1, X, Y, Z). Of a query at least `LEAST_BOX` counts: in few
            voxels anybody agrees.
    """
    product = (queries * laid * box).flatten(1).sum(1)
    power = queries.square().flatten(1).sum(1)
    within = (queries.square() * box).flatten(1).sum(1).maximum(LEAST_BOX * power)
    return product / (within * laid.square().flatten(1).sum(1)).sqrt().clamp_min(1e-12)


def local_agreement(queries: Tensor, laid: Tensor, box: Tensor) -> Tensor:
    """Mean squared correlation over small places, (B,); its sign may differ between them.

    Args:
        queries: Textures (B, C, X, Y, Z).
        laid: Those of training cases on the same voxels.
        box: Where these lie, see `agreement_inside`.
    """
    means = [smoothed(some, PLACE) for some in (queries, laid)]
    covariance = smoothed(queries * laid, PLACE) - means[0] * means[1]
    power = torch.ones_like(covariance)
    for some, mean in zip((queries, laid), means, strict=True):
        own = (smoothed(some.square(), PLACE) - mean.square()).clamp_min(0)
        whole = own.mean(dim=(2, 3, 4), keepdim=True)
        power = power * (own + FLOOR * whole + torch.finfo(own.dtype).tiny)
    local = (covariance.square() / power).mean(1, keepdim=True)
    share = box.flatten(1).mean(1).clamp_min(LEAST_BOX)
    return (local * box).flatten(1).mean(1) / share


def best_place(queries: Tensor, laid: Tensor, signs: Tensor, where: Tensor) -> Tensor:
    """The highest agreement at some place, in all channels together or in a single one, (B,).

    Channels may have changed places, if there are few: each in turn in that of the next.

    Args:
        queries: Textures (B, C, X, Y, Z).
        laid: Those of training cases on the same voxels.
        signs: -1 for those that agree with black and white exchanged, (B,).
        where: Places to look at, (T, 1, X, Y, Z) of 0 and 1.
    """
    own, other = (_in_places(some.square(), where) for some in (queries, laid))
    count = queries.shape[1]
    found = [
        _highest(_in_places(queries * laid.roll(by, 1), where), own, other.roll(by, 1), signs)
        for by in range(count if count <= MOST_EXCHANGED else 1)
    ]
    return torch.stack(found).amax(0)


def _in_places(values: Tensor, where: Tensor) -> Tensor:
    """Sums of values (B, C, X, Y, Z) over places, (B, C, T)."""
    return torch.einsum("bcv,tv->bct", values.flatten(2), where.flatten(1))


def _highest(product: Tensor, own: Tensor, other: Tensor, signs: Tensor) -> Tensor:
    """Of correlations by place, in all channels together or in a single one, (B,).

    Args:
        product: Of the textures, in each channel and place, (B, C, T).
        own: Of the query's with itself.
        other: Of the training case's with itself.
        signs: See `best_place`.
    """
    power = torch.stack([own, other])
    # in a place with little texture few voxels decide, and they agree by chance
    power = power.maximum(LEAST_POWER * power.mean(dim=3, keepdim=True))
    each = product / power.prod(0).sqrt().clamp_min(1e-12)
    joint = product.sum(1, keepdim=True) / power.sum(2, keepdim=True).prod(0).sqrt().clamp_min(
        1e-12
    )
    return (signs[:, None, None] * torch.cat([joint, each], dim=1)).flatten(1).amax(1)


@dataclass(frozen=True, eq=False)
class _Best:
    matrices: Tensor
    scores: Tensor

    def better(self, matrices: Tensor, scores: Tensor) -> _Best:
        gained = scores > self.scores
        return _Best(
            torch.where(gained[:, None, None], matrices, self.matrices),
            torch.where(gained, scores, self.scores),
        )


def _taken(cases: Tensor, there: Tensor) -> Tensor:
    """Textures at places (B, V, 3), in voxels from the middle."""
    shape = cases.shape[2:]
    grid = normalized(there, shape).reshape(len(cases), *shape, 3)
    return functional.grid_sample(cases, grid, "bilinear", "zeros", align_corners=True)


def _keep_in_plane(linear: Tensor, offset: Tensor) -> None:
    for tensor in (linear, offset):
        if tensor.grad is not None:
            tensor.grad[:, 2] = 0
    if linear.grad is not None:
        linear.grad[:, :, 2] = 0


def _cooled(adam: torch.optim.Adam, step: int, steps: int) -> None:
    """Ever smaller steps, so that the end is exact."""
    for group in adam.param_groups:
        group.setdefault("first", group["lr"])
        group["lr"] = group["first"] * (1 - 0.9 * step / steps)


def _roughness(bend: Tensor) -> Tensor:
    total = bend.new_zeros(())
    for axis in (2, 3, 4):
        if bend.shape[axis] > 1:
            total = total + bend.diff(dim=axis).square().mean()
    return total * len(bend)
