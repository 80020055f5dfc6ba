"""Images for the speed of the audit's engine, in files that are mapped, as large sets are.

They are made of smooth patterns that many share, as patients share anatomy, plus texture of their
own; every 20th query is a noisy copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from scipy import ndimage

PATTERNS = 40


@dataclass(frozen=True)
class Sizes:
    """How much is compared."""

    queries: int
    training: int
    side: int

    @property
    def operations(self) -> float:
        """Of all products."""
        return 2.0 * self.queries * self.training * self.side**2


def make_images(folder: Path, sizes: Sizes, grain: float = 0.3) -> None:
    """Write training images (N, 1, X, Y, 1) and queries.

    Args:
        folder: For the files.
        sizes: How many of which side.
        grain: Deviation of each voxel's own noise, where that of the patterns is 1.
    """
    draw = np.random.default_rng(0)
    shape = (sizes.side, sizes.side)
    patterns = np.stack(
        [
            ndimage.gaussian_filter(draw.standard_normal(shape), sizes.side / 20)
            for _ in range(PATTERNS)
        ]
    )
    patterns /= patterns.std(axis=(1, 2), keepdims=True)
    flat = patterns.reshape(PATTERNS, -1).astype(np.float32)
    made = {
        name: open_memmap(folder / f"{name}.npy", "w+", np.float32, (count, 1, *shape, 1))
        for name, count in (("training", sizes.training), ("queries", sizes.queries))
    }
    for images in made.values():
        for start in range(0, len(images), 500):
            part = images[start : start + 500]
            part[:] = _mixed(flat, len(part), grain, draw).reshape(part.shape)
        images.flush()
    for k in range(0, sizes.queries, 20):
        noise = draw.standard_normal((1, *shape, 1), dtype=np.float32)
        made["queries"][k] = made["training"][draw.integers(sizes.training)] + 0.3 * noise
    made["queries"].flush()


def mapped(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Training images and queries."""
    names = ("training", "queries")
    training, queries = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in names)
    return training, queries


def _mixed(flat: np.ndarray, count: int, grain: float, draw: np.random.Generator) -> np.ndarray:
    shares = draw.standard_normal((count, len(flat)), dtype=np.float32)
    shares[:, 0] = 6  # what all have in common
    shares /= np.linalg.norm(shares, axis=1, keepdims=True)
    images: np.ndarray = shares @ flat
    images += grain * draw.standard_normal(images.shape, dtype=np.float32)
    return images
