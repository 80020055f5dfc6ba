"""What label maps look like as bodies: how large, how round, how long their common border."""

from __future__ import annotations

from math import nan, pi

import numpy as np
from skimage.measure import marching_cubes, mesh_surface_area

from verisim.metrics.overlap import Mask
from verisim.volume import LabelMap


def sphericity(mask: Mask, spacing_mm: tuple[float, float, float]) -> float:
    """Surface of the ball of a body's volume over the body's surface, 0 to 1 (Wadell 1935).

    Args:
        mask: (X, Y, Z); of nothing it is nan.
        spacing_mm: Voxel size.
    """
    if not mask.any():
        return nan
    padded = np.pad(mask, 1).astype(np.float32)
    vertices, faces, _, _ = marching_cubes(padded, 0.5, spacing=spacing_mm)
    surface = float(mesh_surface_area(vertices, faces))
    volume = float(mask.sum() * np.prod(spacing_mm))
    ball = float(pi ** (1 / 3) * (6 * volume) ** (2 / 3))
    return min(1.0, ball / surface)


def border_mm2(one: Mask, other: Mask, spacing_mm: tuple[float, float, float]) -> float:
    """Area of the faces of voxels that two bodies share.

    Args:
        one: (X, Y, Z).
        other: (X, Y, Z).
        spacing_mm: Voxel size.
    """
    area = 0.0
    for axis in range(3):
        face = float(np.prod([side for k, side in enumerate(spacing_mm) if k != axis]))
        a, b = np.moveaxis(one, axis, 0), np.moveaxis(other, axis, 0)
        touching = (a[:-1] & b[1:]) | (b[:-1] & a[1:])
        area += face * float(touching.sum())
    return area


def shape_of(label_map: LabelMap) -> dict[str, float]:
    """Volume (ml) and sphericity of each label, and the border (mm²) of each two of them."""
    found: dict[str, float] = {}
    names = list(label_map.labels)
    for k, name in enumerate(names):
        mask = label_map.binary(name)
        found[f"{name} ml"] = float(mask.sum()) * label_map.voxel_ml
        found[f"{name} sphericity"] = sphericity(mask, label_map.spacing_mm)
        for other in names[:k]:
            found[f"{other}-{name} border mm2"] = border_mm2(
                mask, label_map.binary(other), label_map.spacing_mm
            )
    return found
