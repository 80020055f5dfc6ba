"""From logits to the label map on the input's own voxels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from verisim.maps import MapKind, MapMaking, Maps
from verisim.volume import Array, LabelMap, Volume

SMALLEST = 1e-6
"""Probabilities below this are as good as none; their logarithm must stay a number."""


class Labelling:
    """A label map that is filled row by row; what nobody fills is background.

    Args:
        like: Its voxels.
        box: The part of them that is filled.
        labels: Name to value.
        maps: Those that are made beside it.

    Raises:
        StorageFailed: The disk has no room for the maps.
    """

    def __init__(
        self,
        like: Volume,
        box: tuple[slice, slice, slice],
        labels: Mapping[str, int],
        maps: Collection[MapKind] = (),
    ) -> None:
        self._array = np.zeros(like.spatial_shape, np.min_scalar_type(len(labels)))
        self._affine = like.affine
        self._labels = labels
        self._open = self._array[box]
        self._making = MapMaking(like, box, labels, maps)
        self._filled = 0
        # of each class: its voxels, its probability on them, and its probability everywhere
        self._sums = torch.zeros(3, len(labels) + 1, dtype=torch.float64)

    def fill(self, probabilities: Array) -> None:
        """The most probable class of the next rows (K, n, Y, Z), background first."""
        highest, winner = torch.from_numpy(probabilities).max(dim=0)
        rows = slice(self._filled, self._filled + winner.shape[0])
        self._open[rows] = winner.numpy()
        self._making.fill(rows, probabilities)
        self._filled = rows.stop
        chosen, classes = winner.flatten(), len(probabilities)
        self._sums[0] += torch.bincount(chosen, minlength=classes)
        self._sums[1] += torch.bincount(chosen, highest.flatten(), classes)
        self._sums[2] += torch.from_numpy(probabilities).flatten(1).sum(dim=1).double()

    @property
    def label_map(self) -> LabelMap:
        """All rows."""
        return LabelMap(self._array, self._affine, self._labels)

    @property
    def maps(self) -> Maps:
        """Those that were asked for."""
        return self._making.maps

    @property
    def certainty(self) -> float:
        """Mean probability of the chosen label over the foreground; 0 without any."""
        voxels, shared, _ = self._sums[:, 1:].sum(dim=1).tolist()
        return shared / voxels if voxels else 0.0

    @property
    def expected_dice(self) -> dict[str, float]:
        """Of each label, the Dice with what the probabilities expect; nan where it is nowhere.

        2 Σ p m / (Σ p + Σ m) for probabilities p and the mask m of the label: what Dice 1945 is
        on average if voxels are what the probabilities say and the volume hardly varies.
        """
        voxels, shared, everywhere = self._sums
        expected = 2 * shared / (voxels + everywhere)
        found = torch.where(voxels > 0, expected, torch.nan)
        return {name: float(found[value]) for name, value in self._labels.items()}


def tempered(probabilities: Array, temperature: float) -> Array:
    """Probabilities (…, K, X, Y, Z) as if their logits were divided by a temperature (Guo 2017).

    Args:
        probabilities: Of each class; their order stays.
        temperature: Above 1 they become less sure; 1 changes nothing.
    """
    if temperature == 1:
        return probabilities
    powers = np.maximum(probabilities, SMALLEST) ** (1 / temperature)
    found: Array = powers / powers.sum(axis=-4, keepdims=True)
    return found


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Probabilities (…, K, X, Y, Z) of logits (…, K, X, Y, Z).

    Args:
        logits: Of each class.
        temperature: They are divided by it (Guo 2017, eq. 9); 1 changes nothing.
    """
    divided = torch.from_numpy(logits)
    if temperature != 1:
        divided = divided / temperature
    probabilities: Array = divided.softmax(dim=-4).numpy()
    return probabilities


def keep_largest(label_map: LabelMap, names: Sequence[str], foreground: bool = False) -> LabelMap:
    """Remove all but the largest connected component of some labels (Isensee 2021).

    Args:
        label_map: With the labels.
        names: Labels to clean, each by itself.
        foreground: Whether, before, only the largest component of all labels together is kept.
    """
    array = label_map.array.copy()
    if foreground:
        array[~_largest(array > 0)] = 0
    for name in names:
        found = array == label_map.labels[name]
        array[found & ~_largest(found)] = 0
    return label_map.new(array)


def _largest(found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest component; voxels that share only a corner belong together."""
    parts, count = ndimage.label(found, np.ones((3, 3, 3)))
    if count < 2:
        return found
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept: npt.NDArray[np.bool_] = parts == sizes.argmax()
    return kept
