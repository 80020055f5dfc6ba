"""What a click network says around clicks: it knows the shapes that it learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from math import inf

import numpy as np
import numpy.typing as npt
import torch

from verisim.card import ModelCard
from verisim.errors import BadInput, TooLarge
from verisim.networks.averaged import SinglePrecision
from verisim.networks.clicks import ClickUNet, click_maps, one_hot_channels
from verisim.patches import predict
from verisim.progress import SILENT, Progress
from verisim.refinement.clicks import Seed
from verisim.refinement.groups import Box
from verisim.segmentation import Networks, load_network
from verisim.volume import Array, LabelMap, Volume

MOST_SEEN = 2**24
"""Voxels times channels that the network may see for the clicks of one box."""


@dataclass(frozen=True)
class ClickNetwork:
    """The click network of a card: image, present label map and clicks in, probabilities out.

    Args:
        card: Of the kind "refinement".
        device: Where to compute.
        networks: Where the network comes from.
        network: The card's, in single precision: the same label map on every machine.
    """

    card: ModelCard
    device: str = "cpu"
    networks: Networks = field(default=load_network, repr=False)
    network: torch.nn.Module = field(init=False, repr=False)

    def __post_init__(self) -> None:
        network = SinglePrecision(self.networks(self.card, self.device))
        object.__setattr__(self, "network", network)

    def check(self, label_map: LabelMap, channels: int) -> None:
        """Refuse what it did not learn to correct.

        Raises:
            BadInput: The label map has other labels, or in another order, or the image has
                another number of channels.
        """
        same = list(label_map.labels) == list(self.card.labels)
        if not same or channels != len(self.card.channels):
            raise BadInput(
                f"{self.card.title} corrects {', '.join(self.card.labels)} in "
                f"{', '.join(self.card.channels)}, and not {', '.join(label_map.labels)} in "
                f"{channels} channel(s).",
                "Correct it without a network, or train one with `verisim train-clicks`.",
            )

    @property
    def widest_mm(self) -> float:
        """Of a box that one patch sees; of slices only the plane counts."""
        spacing = self.card.preprocessing.spacing_mm
        sides = zip(self.card.patch_size, spacing, strict=True)
        return min((n * mm for n, mm in sides if n > 1), default=inf)

    def probabilities(
        self,
        volume: Volume,
        present: LabelMap,
        seeds: Sequence[Seed],
        box: Box,
        progress: Progress = SILENT,
    ) -> Array | None:
        """Of each class, background first, in a box; None where there is nothing to see.

        Around a small box it sees as much as one of its patches.

        Args:
            volume: (X, Y, Z) or (C, X, Y, Z).
            present: What is corrected, on the same voxels.
            seeds: Inside the box, on voxels of the whole volume.
            box: Of the volume.
            progress: Hears of every patch.

        Returns:
            (K, X, Y, Z) of the box; all 0 where the network does not look.

        Raises:
            UnsupportedVolume: NaN or infinite voxels.
            TooLarge: The box holds more than can be answered at once.
        """
        seen = self._seen(volume, box)
        if seen is None:
            return None
        labels = present.resampled_like(seen)
        classes = np.zeros(seen.spatial_shape, np.uint8)
        for k, name in enumerate(present.labels, start=1):
            classes[labels.binary(name)] = k
        to_seen = np.linalg.inv(seen.affine) @ present.affine
        places = np.array([(to_seen @ (*seed.voxel, 1.0))[:3] for seed in seeds])
        says = np.array([self._said(seed) for seed in seeds], np.int8)
        found = self._answer(seen, classes, places, says, progress)
        return Volume(found, seen.affine).resampled_like(volume.cropped(box)).array

    def _seen(self, volume: Volume, box: Box) -> Volume | None:
        """The image around a box, preprocessed; None if it is the same everywhere."""
        orientation = self.card.preprocessing.orientation or volume.orientation
        turned = volume.reoriented(orientation)
        corners = np.array(list(product(*((side.start, side.stop - 1) for side in box))))
        to_turned = np.linalg.inv(turned.affine) @ volume.affine
        inside = (to_turned[:3, :3] @ corners.T).T + to_turned[:3, 3]
        low, high = np.round(inside.min(axis=0)), np.round(inside.max(axis=0)) + 1
        spacing = np.array(self.card.preprocessing.spacing_mm)
        spacing = np.where(spacing > 0, spacing, turned.spacing_mm)
        wanted = np.ceil(np.array(self.card.patch_size) * spacing / turned.spacing_mm)
        region = turned.cropped(_grown(low, high, wanted, turned.spatial_shape))
        self._check_fits(region, spacing)
        array = region.array.reshape(-1, *region.spatial_shape)
        if (array.min(axis=(1, 2, 3)) == array.max(axis=(1, 2, 3))).any():
            return None
        return self.card.preprocessing(region)

    def _check_fits(self, region: Volume, spacing: npt.NDArray[np.float64]) -> None:
        voxels = np.prod(np.multiply(region.spatial_shape, region.spacing_mm) / spacing)
        if voxels * (self.card.inputs + 2 * self.card.classes) > MOST_SEEN:
            raise TooLarge(
                f"The clicks lie so that the network would see {voxels:.0f} voxels together.",
                "Correct one region, keep the label map, and go on with that.",
            )

    def _said(self, seed: Seed) -> list[int]:
        """Of each class: 1 it is, -1 it is not, 0 it may be."""
        certain = len(seed.allowed) == 1
        return [
            (1 if certain else 0) if k in seed.allowed else -1 for k in range(self.card.classes)
        ]

    def _answer(
        self,
        seen: Volume,
        classes: Array,
        places: npt.NDArray[np.float64],
        says: npt.NDArray[np.int8],
        progress: Progress,
    ) -> Array:
        """Probabilities on the voxels of what is seen."""
        assert isinstance(self.card.network, ClickUNet), "the kind of the card says it"
        spread = self.card.network.spread_mm
        missing = np.maximum(0, np.subtract(self.card.patch_size, classes.shape))
        before = missing // 2
        padding = [(int(b), int(m - b)) for b, m in zip(before, missing, strict=True)]
        around = np.pad(classes, padding)  # beyond the volume there is background, as in training
        maps = click_maps(places + before, says, around.shape, seen.spacing_mm, spread)
        present = one_hot_channels(around, self.card.classes)
        image = np.pad(seen.array, [(0, 0), *padding])
        array = np.concatenate([image, present, maps])
        with torch.inference_mode():
            found = predict(self.network, array, self.card.patch_size, progress, self.device)
        x, y, z = (slice(b, b + n) for b, n in zip(before, classes.shape, strict=True))
        inner: Array = found[:, x, y, z]
        return inner


def _grown(
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    wanted: npt.NDArray[np.float64],
    shape: Sequence[int],
) -> Box:
    """A box of at least so many voxels around another, moved into the volume where it can."""
    sides = []
    for a, b, n, whole in zip(low, high, wanted, shape, strict=True):
        length = min(max(int(b - a), int(n)), whole)
        start = min(max(0, int(a + b - length) // 2), whole - length)
        sides.append(slice(start, start + length))
    x, y, z = sides
    return x, y, z
