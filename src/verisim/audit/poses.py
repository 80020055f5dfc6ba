"""How a copy may be turned: flips, quarter turns, and small rotations about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, product
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional

from verisim.audit.measure import Alignment

T = TypeVar("T")
Matrix = npt.NDArray[np.float64]

TILT = 12.0
"""Degrees by which volumes are turned; what lies between is found by registration."""

FLAT_TILTS = (7.0, -7.0, 14.0, -14.0, 21.0, -21.0)
"""Degrees by which slices are turned."""

ZOOMS = (0.86, 0.93, 1.08, 1.17, 1.3)
"""Beside no zoom."""

STRETCH = 1.12
"""Along one axis of slices, while the other shrinks as much; volumes find it by registration."""

FAR_TILT = 40.0
"""Degrees up to which volumes are turned in the search by power spectra."""

FAR_SPACING = 11.5
"""Degrees between rotations there, along each axis; halfway between lie as many again."""

FAR_FLAT_TILTS = tuple(np.linspace(-42, 42, 21).tolist())
FAR_ZOOMS = tuple(np.geomspace(0.68, 1.45, 7).tolist())
FAR_FLAT_ZOOMS = tuple(np.geomspace(0.66, 1.47, 14).tolist())


@dataclass(frozen=True)
class Turn:
    """Flips and quarter turns: axes exchanged, then some of them reversed.

    Args:
        order: Axis of the image that becomes each axis of the turned one.
        reversed_axes: Which are reversed after that.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    reversed_axes: tuple[bool, bool, bool] = (False, False, False)

    @property
    def matrix(self) -> Matrix:
        """(3, 3), from the turned image to the image, about the middle of both."""
        matrix = np.zeros((3, 3))
        for axis, (own, back) in enumerate(zip(self.order, self.reversed_axes, strict=True)):
            matrix[own, axis] = -1 if back else 1
        return matrix

    def __call__(self, images: Tensor) -> Tensor:
        """Turned images, (B, C, X, Y, Z); the box stays, what leaves it is lost."""
        shape = images.shape[2:]
        turned = images.permute(0, 1, *(axis + 2 for axis in self.order))
        turned = turned.flip([k + 2 for k, back in enumerate(self.reversed_axes) if back])
        return _boxed(turned, shape)


def turns(flat: bool, most: int = 3) -> tuple[Turn, ...]:
    """Flips and quarter turns: all 8 of slices, 32 of the 48 of volumes.

    Left out are volumes whose three axes are all exchanged.

    Args:
        flat: Whether they are slices.
        most: Axes that change at most: 0 for none, 1 for one flip, 2 for all flips of slices, …
    """
    listed = []
    for order in permutations(range(3)):
        moved = sum(axis != k for k, axis in enumerate(order))
        for signs in product((False, True), repeat=3):
            outside = flat and (order[2] != 2 or signs[2])
            if not outside and moved < 3 and (moved == 0 or most > 1) and sum(signs) <= most:
                listed.append(Turn(_triple(order), _triple(signs)))
    return tuple(listed)


def tilts(flat: bool) -> tuple[Matrix, ...]:
    """Small rotations about every axis, by `TILT`, and zooms; no change comes first.

    The axes of volumes go through opposite corners of an icosahedron, either way round.
    """
    size = np.array([1.0, 1.0, 0.0 if flat else 1.0])
    zooms = [np.diag(1 + (1 / zoom - 1) * size) for zoom in ZOOMS]
    if flat:
        zooms += [np.diag([by, 1 / by, 1.0]) for by in (STRETCH, 1 / STRETCH)]
        vectors = [np.array([0, 0, angle]) for angle in FLAT_TILTS]
    else:
        golden = (1 + 5**0.5) / 2
        corners = np.array([(0, 1, golden), (0, 1, -golden), (1, golden, 0)])
        axes = np.concatenate([np.roll(corners[:2], k, axis=1) for k in range(3)])
        vectors = [sign * TILT * axis / np.linalg.norm(axis) for axis in axes for sign in (1, -1)]
    turned = [Rotation.from_rotvec(vector, degrees=True).as_matrix() for vector in vectors]
    return (np.eye(3), *turned, *zooms)


@lru_cache(maxsize=2)
def far_rotations(flat: bool) -> tuple[Matrix, ...]:
    """Rotations for a search that affords many.

    Those of volumes lie on a body-centred lattice of rotation vectors: no other rotation up to
    `FAR_TILT` is farther than 6.5 degrees from one of them.
    """
    if flat:
        vectors = np.array([(0, 0, angle) for angle in FAR_FLAT_TILTS])
    else:
        most = int(FAR_TILT / FAR_SPACING) + 1
        whole = np.array(list(product(range(-most, most + 1), repeat=3)))
        vectors = FAR_SPACING * np.concatenate([whole, whole + 0.5])
        vectors = vectors[np.linalg.norm(vectors, axis=1) <= FAR_TILT]
    return tuple(Rotation.from_rotvec(vectors, degrees=True).as_matrix())


def far_zooms(flat: bool) -> tuple[Matrix, ...]:
    """Zooms for that search."""
    size = np.array([1.0, 1.0, 0.0 if flat else 1.0])
    zooms = FAR_FLAT_ZOOMS if flat else FAR_ZOOMS
    return tuple(np.diag(1 + (1 / zoom - 1) * size) for zoom in zooms)


def resampled(images: Tensor, matrices: Tensor) -> Tensor:
    """Images (B, C, X, Y, Z), each laid out anew about its middle; linear between voxels.

    Args:
        matrices: (B, 3, 4), from the new place to the old, in voxels from the middle.
    """
    return functional.grid_sample(
        images, grid_of(matrices, images.shape[2:]), "bilinear", "border", align_corners=True
    )


def places(shape: tuple[int, ...] | torch.Size, like: Tensor) -> Tensor:
    """Voxels from the middle of a grid, (X·Y·Z, 3)."""
    axes = [torch.arange(n, dtype=like.dtype, device=like.device) - (n - 1) / 2 for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)


def grid_of(matrices: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """What `grid_sample` wants: (B, X, Y, Z, 3), from -1 to 1, last axis first."""
    there = places(shape, matrices) @ matrices[:, :, :3].transpose(1, 2) + matrices[:, None, :, 3]
    return normalized(there, shape).reshape(len(matrices), *shape, 3)


def normalized(there: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """Voxels from the middle, (…, 3), as fractions of half the box, last axis first."""
    half = torch.tensor([max(n - 1, 1) / 2 for n in shape], dtype=there.dtype)
    return (there / half.to(there.device)).flip(-1)


def alignment_of(matrix: Matrix, shape: tuple[int, ...], sign: int) -> Alignment:
    """A (3, 4) map between voxels from the middle, as one between voxel indices."""
    middle = (np.array(shape) - 1) / 2
    whole = np.eye(4)
    whole[:3, :3] = matrix[:, :3]
    whole[:3, 3] = matrix[:, 3] + middle - matrix[:, :3] @ middle
    rows = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in whole)
    return Alignment(rows, sign)


def _triple(items: tuple[T, ...]) -> tuple[T, T, T]:
    first, second, third = items
    return first, second, third


def _boxed(images: Tensor, shape: torch.Size) -> Tensor:
    """The middle of images, cut or padded to a box."""
    pads: list[int] = []
    for have, want in zip(reversed(images.shape[2:]), reversed(shape), strict=True):
        before = (want - have) // 2 if want >= have else -((have - want) // 2)
        pads += [before, want - have - before]
    return functional.pad(images, pads) if any(pads) else images
