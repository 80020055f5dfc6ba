"""In which pose a training case may lie in a query, whatever its shift: by power spectra.

A shift leaves the strength of every wave as it is; a rotation turns the waves, a zoom makes them
longer or shorter (Reddy 1996). So thousands of poses cost one transform of the query and one
product of matrices, and only the best poses of each training case are looked at in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from verisim.audit.poses import Turn, far_rotations, turns

Points = npt.NDArray[np.intp]

SLOWEST, FASTEST = 0.15, 0.45
"""Waves that count, in cycles per voxel: slower ones are anatomy, which patients share."""

SPACING, FLAT_SPACING = 1 / 16, 1 / 64
"""Cycles per voxel between two waves in volumes and in slices."""

LENGTH, FLAT_LENGTH = 24, 64
"""Voxels of the longest side for which this holds. Longer ones are compared by slower waves: else
a smaller angle would part the fast ones."""

RING = 1 / 20
"""Waves as fast as each other differ by at most so much."""

ROOM = 2
"""Images are padded to so many times their length, so that between waves can be interpolated."""

RIM = 0.4
"""Share of half the box over which an image fades out: its border is not the patient's."""

VIEWS_AT_ONCE = 1 << 24
"""Likenesses of poses and training cases that are held at once."""

BEST = 3
"""Poses of each training case that are looked at in full."""

LEAST = 1e-9
"""Waves weaker than it are none."""


@dataclass(frozen=True, eq=False)
class Poses:
    """For each training case the poses of a query in which its waves agree best.

    Args:
        sizes: Number of the query's size, (n, N).
        matrices: Turned besides, from the view to the query of that size, (n, N, 3, 3).
    """

    sizes: Tensor
    matrices: Tensor


@dataclass(frozen=True, eq=False)
class Spectra:
    """Strengths of the waves of training cases.

    Args:
        rows: They, compared with others as fast, of norm 1, (N, K).
        flat: Whether the cases are slices.
    """

    rows: Tensor
    flat: bool

    @classmethod
    def of(cls, textures: Tensor) -> Spectra:
        """Of textures (N, 1, X, Y, Z)."""
        flat = textures.shape[4] == 1
        waves = _waves(textures)[None]
        own = torch.cat([_strengths(_spectrum(one[None]), waves) for one in textures])
        return cls(functional.normalize(own, dim=1), flat)

    def __call__(self, textures: Tensor) -> Poses:
        """The poses in which the waves of each training case agree best with a query's.

        Args:
            textures: Of the query in several sizes, (S, 1, X, Y, Z).
        """
        rotations = torch.from_numpy(np.stack(far_rotations(self.flat))).to(textures)
        # a view of A x has the wave k where the image has the wave A^-T k, and A is orthogonal
        turned = _waves(textures) @ rotations.transpose(1, 2)
        orders = torch.from_numpy(_orders(self.flat)).to(textures.device)
        found = []
        for one in textures:
            strengths = functional.normalize(_strengths(_spectrum(one[None]), turned), dim=1)
            found += [self._best(strengths, order) for order in orders]
        values, views = (torch.cat(parts) for parts in zip(*found, strict=True))
        chosen = values.topk(BEST, dim=0).indices
        block = chosen // BEST
        turning = np.stack([turn.matrix for turn in _turns(self.flat)])
        each = torch.from_numpy(turning).to(textures)[block % len(orders)]
        return Poses(block // len(orders), rotations[views.gather(0, chosen)] @ each)

    def _best(self, strengths: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """The best tilts of one turn for each training case, (BEST, N)."""
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        size = max(1, VIEWS_AT_ONCE // len(strengths))
        parts = [
            (strengths @ some[:, back].T).topk(BEST, dim=0)
            for some in torch.split(self.rows, size)
        ]
        return torch.cat([p.values for p in parts], 1), torch.cat([p.indices for p in parts], 1)


def _turns(flat: bool) -> tuple[Turn, ...]:
    """One of each two turns that differ by a mirroring through the middle: waves are the same."""
    seen, chosen = set(), []
    for turn in turns(flat):
        matrix = turn.matrix[:2, :2] if flat else turn.matrix
        if (0.0 - matrix).tobytes() not in seen:
            seen.add((matrix + 0.0).tobytes())
            chosen.append(turn)
    return tuple(chosen)


@lru_cache(maxsize=2)
def _lattice(flat: bool) -> Points:
    """Whole numbers of waves, one of each two opposite ones, (K, 3)."""
    step = FLAT_SPACING if flat else SPACING
    most = int(FASTEST / step)
    axis = np.arange(-most, most + 1)
    grid = np.meshgrid(axis, axis, [0] if flat else axis, indexing="ij")
    points = np.stack(grid, axis=-1).reshape(-1, 3)
    length = np.linalg.norm(points, axis=1) * step
    chosen = (length >= SLOWEST) & (length <= FASTEST) & (_upper(points) > 0)
    slowest_first: Points = points[chosen][np.argsort(_ring_of(length[chosen]), kind="stable")]
    return slowest_first


def _ring_of(length: npt.NDArray[np.float64]) -> Points:
    ring: Points = np.rint(length / RING).astype(np.intp)
    return ring


@lru_cache(maxsize=2)
def _rings(flat: bool) -> tuple[slice, ...]:
    """Waves that are about as fast as each other."""
    step = FLAT_SPACING if flat else SPACING
    ring = _ring_of(np.linalg.norm(_lattice(flat), axis=1) * step)
    ends = [0, *(np.flatnonzero(np.diff(ring)) + 1).tolist(), len(ring)]
    return tuple(slice(a, b) for a, b in pairwise(ends))


def _upper(points: Points) -> npt.NDArray[np.intp]:
    """1 for one of each two opposite points, -1 for the other, (K,)."""
    x, y, z = np.sign(points).T
    side: npt.NDArray[np.intp] = np.where(x != 0, x, np.where(y != 0, y, z))
    return side


@lru_cache(maxsize=2)
def _orders(flat: bool) -> npt.NDArray[np.intp]:
    """For each turn, where each wave comes from, (T, K)."""
    points = _lattice(flat)
    place = {tuple(point): k for k, point in enumerate(points.tolist())}
    orders = []
    for turn in _turns(flat):
        turned = np.rint(points @ turn.matrix.T).astype(np.intp)
        turned *= _upper(turned)[:, np.newaxis]
        orders.append([place[tuple(point)] for point in turned.tolist()])
    return np.array(orders, dtype=np.intp)


def _waves(textures: Tensor) -> Tensor:
    """For images of this size, in cycles per voxel, (K, 3)."""
    flat = textures.shape[4] == 1
    step, length = (FLAT_SPACING, FLAT_LENGTH) if flat else (SPACING, LENGTH)
    scale = min(1.0, length / max(textures.shape[2:]))
    return torch.from_numpy(_lattice(flat) * step * scale).to(textures)


def _spectrum(texture: Tensor) -> Tensor:
    """Strength of every wave of a texture (1, 1, X, Y, Z), slowest in the middle."""
    for axis in (2, 3, 4):
        count = texture.shape[axis]
        if count > 1:
            place = (torch.arange(count, device=texture.device) + 0.5) / count * 2 - 1
            fade = ((1 - place.abs()) / RIM).clamp_max(1).mul(torch.pi / 2).sin().square()
            texture = texture * fade.reshape([-1 if k == axis else 1 for k in range(5)])
    sides = [ROOM * n if n > 1 else 1 for n in texture.shape[2:]]
    waves = torch.fft.fftn(texture, s=sides, dim=(2, 3, 4))
    strength: Tensor = torch.fft.fftshift(waves, dim=(2, 3, 4)).abs()
    return strength


def _strengths(spectrum: Tensor, waves: Tensor) -> Tensor:
    """How much stronger waves (V, K, 3) are than others as fast, (V, K)."""
    sides = spectrum.shape[2:]
    middle = torch.tensor([n // 2 for n in sides]).to(waves)
    length = torch.tensor(sides).to(waves)
    last = torch.tensor([max(n - 1, 1) for n in sides]).to(waves)
    grid = (((waves * length + middle) / last * 2 - 1).flip(-1))[None, :, :, None]
    taken = functional.grid_sample(spectrum, grid, "bilinear", "border", align_corners=True)
    strength = taken[0, 0, :, :, 0]
    for ring in _rings(spectrum.shape[4] == 1):
        own = strength[:, ring]
        own.div_(own.mean(dim=1, keepdim=True).clamp_min(LEAST)).sub_(1)
    return strength
