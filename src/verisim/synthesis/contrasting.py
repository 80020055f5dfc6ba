"""Images of random contrast for given label maps, with nothing learned (SynthSeg; Billot 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

from verisim.errors import BadInput
from verisim.networks.random_contrast import Chance
from verisim.progress import SILENT, Progress
from verisim.resampling import resample
from verisim.synthesis.making import Making, Request
from verisim.volume import Array

STAGES = ("shapes", "tissues", "image")


@dataclass(frozen=True)
class ContrastMaker:
    """Bends a label map, paints each label by a Gaussian of its own, and photographs it badly.

    What lies behind the labels is split into random tissues, so that surroundings are as
    patchy as real ones (Hoffmann 2022).

    Args:
        tissues: Behind the labels, at most.
        chance: How far it goes.
        channels: C of the image; each has a contrast of its own.
    """

    tissues: int
    chance: Chance
    channels: int = 1

    @property
    def takes_labels(self) -> bool:
        """See `Maker`."""
        return True

    def __call__(self, request: Request, progress: Progress = SILENT) -> Making:
        """See `Maker`; the label map that comes back is the one that was bent.

        Raises:
            BadInput: No label map is given.
        """
        if request.labels is None:
            raise BadInput("Chance alone makes no shapes.", "Give it label maps: --labels FOLDER.")
        generator = np.random.default_rng(request.seed)
        progress.advance(0, len(STAGES), STAGES[0])
        labels = self._bent(request.labels.numpy(), generator)
        progress.advance(1, len(STAGES), STAGES[1])
        tissues = self._behind(labels, generator)
        progress.advance(2, len(STAGES), STAGES[2])
        image = np.stack([self._channel(tissues, generator) for _ in range(self.channels)])
        progress.advance(3, len(STAGES), STAGES[2])
        return Making(torch.from_numpy(image), torch.from_numpy(labels), 0)

    def _bent(self, labels: Array, generator: np.random.Generator) -> Array:
        """Turned, zoomed and pushed about a little; along an axis of one voxel nothing moves."""
        shape = labels.shape
        deep = np.array(shape) > 1
        degrees = self.chance.turn * generator.uniform(-1, 1, 3)
        if not deep.all():  # a slice turns within itself
            degrees = np.where(deep, 0, degrees)
        turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
        turn *= 1 + self.chance.zoom * generator.uniform(-1, 1)
        middle = (np.array(shape) - 1) / 2
        places = np.indices(shape).reshape(3, -1) - middle[:, None]
        moved = (turn @ places + middle[:, None]).reshape(3, *shape)
        reach = self.chance.bend * generator.uniform()
        for axis in np.flatnonzero(deep):
            moved[axis] += reach * smooth(shape, max(shape) / 3, generator)
        for axis in np.flatnonzero(~deep):
            moved[axis] = 0
        bent: Array = ndimage.map_coordinates(labels, moved, order=0, mode="constant")
        return bent

    def _behind(self, labels: Array, generator: np.random.Generator) -> Array:
        """Labels, and behind them tissues numbered on from the largest label.

        Each voxel belongs to the tissue whose smooth noise is the strongest there.
        """
        count = int(generator.integers(1, self.tissues + 1))
        size = generator.uniform(2, max(3.0, max(labels.shape) / 3))
        fields = np.stack([smooth(labels.shape, size, generator) for _ in range(count)])
        behind = labels.max() + 1 + fields.argmax(axis=0)
        split: Array = np.where(labels > 0, labels, behind)
        return split

    def _channel(self, tissues: Array, generator: np.random.Generator) -> Array:
        """One channel, of mean 0 and deviation 1."""
        count, chance = int(tissues.max()) + 1, self.chance
        means = generator.uniform(0, 1, count)
        spreads = generator.uniform(0, 1, count) * chance.spread
        painted = means[tissues] + spreads[tissues] * generator.standard_normal(tissues.shape)
        bias = chance.bias * generator.uniform()
        painted *= np.exp(bias * smooth(tissues.shape, max(tissues.shape) / 2, generator))
        painted = _unit(self._coarse(painted, generator))
        painted = painted ** np.exp(chance.gamma * generator.standard_normal())
        noise = chance.noise * generator.uniform()
        painted += noise * generator.standard_normal(painted.shape)
        deviation = painted.std()
        even: Array = (painted - painted.mean()) / (deviation if deviation > 0 else 1.0)
        return even.astype(np.float32)

    def _coarse(self, image: Array, generator: np.random.Generator) -> Array:
        """Blurred, and as if scanned in slices of some thickness along one axis."""
        deep = [axis for axis, n in enumerate(image.shape) if n > 1]
        sigma = np.zeros(3)
        sigma[deep] = self.chance.blur * generator.uniform(0, 1, len(deep))
        axis = int(generator.choice(deep)) if deep else 0
        thick = generator.uniform(1, self.chance.thickness)
        # a slice is a mean over its thickness: a box of that width has this deviation
        sigma[axis] = np.hypot(sigma[axis], np.sqrt((thick**2 - 1) / 12))
        blurred = ndimage.gaussian_filter(image, sigma, mode="nearest").astype(np.float32)
        fewer = list(image.shape)
        fewer[axis] = max(1, round(fewer[axis] / thick))
        whole: Array = resample(resample(blurred, fewer, 1), image.shape, 1)
        return whole.astype(np.float64)


def smooth(shape: Sequence[int], size: float, generator: np.random.Generator) -> Array:
    """Noise (X, Y, Z) of deviation about 1 that changes over so many voxels."""
    coarse = [max(2, round(n / size) + 1) if n > 1 else 1 for n in shape]
    noise = generator.standard_normal(coarse).astype(np.float32)
    return resample(noise, shape, 3)


def _unit(image: Array) -> Array:
    """From 0 to 1."""
    low, high = image.min(), image.max()
    scaled: Array = (image - low) / (high - low) if high > low else np.zeros_like(image)
    return scaled
