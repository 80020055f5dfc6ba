"""Patients who share anatomy and differ in their texture, made in memory."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from verisim.audit.collection import Collection

SHAPE = (24, 28, 20)
FLAT = (48, 44, 1)


def people(
    count: int, shape: Sequence[int] = SHAPE, first: int = 0, channels: int = 1
) -> Collection:
    """Cases of as many patients: one coarse pattern for all, finer ones of their own."""
    widths = [0.0, *(0.0 if n == 1 else 1.0 for n in shape)]
    anatomy = _pattern(np.random.default_rng(0), (channels, *shape), 5 * np.array(widths))
    images, masks = [], []
    for k in range(first, first + count):
        draw = np.random.default_rng([1, k])
        own = _pattern(draw, (channels, *shape), 1.2 * np.array(widths))
        images.append((anatomy + 0.7 * own).astype(np.float32))
        bump = _pattern(draw, (1, *shape), 3 * np.array(widths))[0]
        masks.append((anatomy[0] + 0.5 * bump > 1).astype(np.uint8))
    names = tuple(f"case {k}" for k in range(first, first + count))
    return Collection(
        names=names,
        patients=tuple(f"patient {k}" for k in range(first, first + count)),
        strata=("all",) * count,
        digests=names,
        images=np.stack(images),
        masks=np.stack(masks),
    )


def _pattern(draw: np.random.Generator, shape: Sequence[int], widths: np.ndarray) -> np.ndarray:
    pattern = ndimage.gaussian_filter(draw.standard_normal(shape), widths)
    return pattern / pattern.std()
