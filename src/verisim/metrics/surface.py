"""How far the surfaces of two masks lie apart, in millimetres.

Two empty masks have nothing to compare: nan. When only one is empty, no distance would be
large enough: the Hausdorff distance is inf and the surface Dice 0.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage

from verisim.errors import BadInput
from verisim.metrics.overlap import Mask, check_same_shape

# monai 1.6 passes itself an argument that it has deprecated, until 1.7
warnings.filterwarnings(
    "ignore", message="monai.metrics.utils get_mask_edges", category=FutureWarning
)

Spacing = tuple[float, float, float]


def hausdorff95_mm(predicted: Mask, truth: Mask, spacing_mm: Spacing) -> float:
    """The distance that 95 % of each surface keeps from the other, the worse of both directions.

    A surface is the mask's voxels that touch background; nan if both masks are empty, inf if
    one is.

    Args:
        predicted: (X, Y, Z).
        truth: (X, Y, Z).
        spacing_mm: Along X, Y and Z.

    Raises:
        BadGeometry: The masks have different shapes.
    """
    check_same_shape(predicted, truth)
    if not (predicted.any() and truth.any()):
        return float("inf") if predicted.any() or truth.any() else float("nan")
    pair = _cropped(predicted, truth)
    distance = compute_hausdorff_distance(
        *pair, include_background=True, percentile=95, spacing=spacing_mm
    )
    return float(distance)


def surface_dice(predicted: Mask, truth: Mask, spacing_mm: Spacing, tolerance_mm: float) -> float:
    """The share of both surfaces' area that lies within a tolerance of the other surface.

    Areas and distances are those of Nikolov 2021 (marching cubes between the voxels); nan if
    both masks are empty, 0 if one is.

    Args:
        predicted: (X, Y, Z).
        truth: (X, Y, Z).
        spacing_mm: Along X, Y and Z.
        tolerance_mm: 0 or more.

    Raises:
        BadGeometry: The masks have different shapes.
        BadInput: The tolerance is negative.
    """
    check_same_shape(predicted, truth)
    if not tolerance_mm >= 0:
        raise BadInput(f"A tolerance of {tolerance_mm} mm is no distance.", "Give 0 mm or more.")
    if not (predicted.any() and truth.any()):
        return 0.0 if predicted.any() or truth.any() else float("nan")
    pair = _cropped(predicted, truth)
    share = compute_surface_dice(
        *pair, [tolerance_mm], include_background=True, spacing=spacing_mm, use_subvoxels=True
    )
    return float(share)


def _cropped(predicted: Mask, truth: Mask) -> tuple[torch.Tensor, torch.Tensor]:
    """Both masks as (1, 1, X, Y, Z) in the box around them, with one voxel of background.

    The border closes masks that touch the edge of the volume, so that where the volume ends
    does not matter.
    """
    box = ndimage.find_objects(np.logical_or(predicted, truth).astype(np.uint8))[0]
    first, second = (
        torch.from_numpy(np.pad(mask[box].astype(bool), 1))[None, None]
        for mask in (predicted, truth)
    )
    return first, second
