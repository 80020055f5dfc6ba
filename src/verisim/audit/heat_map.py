"""Where a case and the training case that is laid onto it agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from verisim.audit.measure import Alignment
from verisim.audit.texture import Band, as_tensor, smoothed
from verisim.volume import Array

WINDOW = 2.5
"""Deviation of the window, in voxels, in which agreement is measured."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """A pair for a gallery.

    Args:
        laid: The training case on the voxels of the query, with the query's black and white,
            (C, X, Y, Z).
        heat: Correlation of their textures around each voxel, -1 to 1, (X, Y, Z).
    """

    laid: npt.NDArray[np.float32]
    heat: npt.NDArray[np.float32]


def agreement_of(
    query: npt.NDArray[np.float32],
    case: npt.NDArray[np.float32],
    alignment: Alignment,
    band: Band | None = None,
) -> Agreement:
    """Lay a training case onto a query and see where they agree.

    Args:
        query: (C, X, Y, Z).
        case: The training case, (C, X, Y, Z).
        alignment: How it is laid, as a measure found it.
        band: The texture that is compared.
    """
    laid = laid_onto(case, alignment)
    look = band or Band()
    own, other = look(as_tensor(query[np.newaxis])), look(as_tensor(laid[np.newaxis]))
    local = [
        smoothed(product.sum(1, keepdim=True), WINDOW)
        for product in (own * other, own.square(), other.square())
    ]
    power = (local[1] * local[2]).clamp_min(0).sqrt()
    # where both are even there is nothing to agree on
    floor = 0.05 * float(power.mean()) + torch.finfo(torch.float32).tiny
    heat = (local[0] / (power + floor)).clamp(-1, 1)
    return Agreement(laid, heat[0, 0].numpy())


def laid_onto(case: npt.NDArray[np.float32], alignment: Alignment) -> npt.NDArray[np.float32]:
    """A training case (C, X, Y, Z) on the voxels of a query; its border is repeated outside."""
    matrix = np.array(alignment.matrix)
    laid = [
        ndimage.affine_transform(channel, matrix[:3, :3], matrix[:3, 3], order=1, mode="nearest")
        for channel in case
    ]
    signed: npt.NDArray[np.float32] = np.stack(laid).astype(np.float32) * alignment.sign
    return signed


def scaled(array: Array, like: Array) -> Array:
    """An image in the brightness and contrast of another, so that a difference is of shape."""
    spread = float(array.std())
    ratio = float(like.std()) / spread if spread > 0 else 1.0
    matched: Array = (array - array.mean()) * ratio + like.mean()
    return matched
