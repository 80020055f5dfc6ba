"""A network sees a patch at a time; a Gaussian window joins what it saw, row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from math import ceil, prod

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from verisim.free_memory import available_bytes
from verisim.precision import reduced_precision
from verisim.progress import SILENT, Progress, Together
from verisim.volume import Array

OVERLAP = 0.5
"""Share of a patch that its neighbour repeats (nnU-Net's step of one half)."""

SPARSE_OVERLAP = 0.0
"""The same where there are very many patches of anatomy that the network never saw."""

MANY_PATCHES = 1000
"""More patches than this are very many."""

PEAK = 10.0
"""Weight of a patch's centre: the smallest weights then still differ in half precision."""

SMALLEST_HALF = PEAK / 1000
"""Smaller weights would leave too few digits of a sum in half precision."""

SINGLE_PRECISION_BYTES = 2**29
"""Sums up to this size are kept in single precision, larger ones in half precision."""

PATCH_VOXELS = 2**17
"""Small patches, e.g. slices, go through the network together up to this many voxels."""

VOXELS_AT_ONCE = 2**20
"""Finished rows are given away by as many voxels: 4 MiB a class."""

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PlacedNetwork:
    """A network that is told where its patches lie, and who watches.

    Args:
        ask: Patches (B, C, X, Y, Z), the first voxel of each, and a progress of its own to
            whatever it answers, (B, K, X, Y, Z).
    """

    ask: Callable[[Tensor, Sequence[Sequence[int]], Progress], Tensor]


def predict(
    network: Network,
    array: Array,
    patch_size: Sequence[int],
    progress: Progress = SILENT,
    device: torch.device | str = "cpu",
) -> Array:
    """Class probabilities of a small preprocessed volume, all in memory; see `logits_by_row`.

    Returns:
        Probabilities (K, X, Y, Z), which sum to 1 over K.
    """
    blocks = list(logits_by_row(network, array, patch_size, progress, device))
    probabilities: Array = torch.softmax(torch.from_numpy(np.concatenate(blocks, 1)), 0).numpy()
    return probabilities


def logits_by_row(
    network: Network | PlacedNetwork,
    array: Array,
    patch_size: Sequence[int],
    progress: Progress = SILENT,
    device: torch.device | str = "cpu",
    overlap: float = OVERLAP,
    alone: bool = False,
) -> Iterator[Array]:
    """Logits of a preprocessed volume by sliding window with Gaussian weights (Isensee 2021).

    Rows along X are given away as soon as no later patch can reach them, so memory never holds
    more of them than one patch is wide.

    Args:
        network: (B, C, X, Y, Z) patches to logits (B, K, X, Y, Z).
        array: (C, X, Y, Z).
        patch_size: Spatial shape of a patch.
        progress: Hears of every patch.
        device: Where the network lives; what is joined stays on the CPU.
        overlap: Share of a patch that its neighbour repeats.
        alone: Whether small patches, too, go through the network one at a time.

    Yields:
        Logits (K, n, Y, Z) of the next n rows.
    """
    padded, inner = _padded(array, patch_size)
    sides = zip(padded.shape[1:], patch_size, strict=True)
    xs, ys, zs = (starts(length, side, overlap) for length, side in sides)
    watched = _Watched(network, progress, len(xs) * len(ys) * len(zs), device)
    joined = _Joined(padded.shape[1:], patch_size)
    count = 1 if alone else patches_at_once(patch_size)
    for x, following in pairwise([*xs, xs[-1] + patch_size[0]]):
        for boxes in _groups([_box((x, y, z), patch_size) for y, z in product(ys, zs)], count):
            patches = np.stack([padded[(slice(None), *box)] for box in boxes])
            joined.add(boxes, watched(torch.from_numpy(patches), boxes))
        first, last = (min(max(edge - x, 0), following - x) for edge in _edges(inner[0]))
        for rows in joined.rows(first, last):
            yield rows[:, :, inner[1], inner[2]].numpy()
        joined.forget(following - x)


def starts(length: int, side: int, overlap: float = OVERLAP) -> list[int]:
    """Where patches begin along an axis: evenly spread, overlapping at least that much."""
    steps = max(0, ceil((length - side) / (side * (1 - overlap))))
    return [round((length - side) * k / steps) for k in range(steps + 1)] if steps else [0]


def number_of_patches(shape: Sequence[int], patch_size: Sequence[int]) -> int:
    """How many patches cover a volume (X, Y, Z)."""
    return prod(len(starts(n, side)) for n, side in zip(shape, patch_size, strict=True))


def patches_at_once(patch_size: Sequence[int]) -> int:
    """How many patches go through the network together: one, or several small ones."""
    return max(1, PATCH_VOXELS // prod(patch_size))


@lru_cache(maxsize=8)
def importance(patch_size: tuple[int, ...]) -> Tensor:
    """Weight of each voxel of a patch: a Gaussian of an eighth of the patch, nowhere zero."""
    point = np.zeros(patch_size)
    point[tuple(side // 2 for side in patch_size)] = 1
    window = gaussian_filter(point, [side / 8 for side in patch_size], mode="constant")
    weights = torch.from_numpy(window * (PEAK / window.max())).half()
    # where half precision has nothing left, the smallest weight that it has
    return torch.where(weights == 0, weights[weights > 0].min(), weights).float()


class _Joined:
    """Weighted sums over the rows that patches still reach.

    Args:
        shape: Of the whole volume (X, Y, Z).
        patch_size: Rows kept, and the window.
    """

    def __init__(self, shape: Sequence[int], patch_size: Sequence[int]) -> None:
        self._shape = (patch_size[0], *shape[1:])
        self._window = importance(tuple(patch_size))
        self._weights = torch.zeros(self._shape)
        self._sums: Tensor | None = None
        self._first = 0

    def add(self, boxes: Sequence[tuple[slice, ...]], logits: Tensor) -> None:
        """Add the answers (B, K, x, y, z) of patches that lie in these boxes."""
        if self._sums is None:
            self._sums = _zeros((logits.shape[1], *self._shape))
            if self._sums.dtype == torch.half:
                self._window = self._window.clamp(min=SMALLEST_HALF)
        for (rows, *across), answer in zip(boxes, logits, strict=True):
            place = (slice(rows.start - self._first, rows.stop - self._first), *across)
            self._sums[(slice(None), *place)] += (answer * self._window).to(self._sums.dtype)
            self._weights[place] += self._window

    def rows(self, first: int, last: int) -> Iterator[Tensor]:
        """Finished rows (K, n, Y, Z), a few at a time."""
        assert self._sums is not None, "rows are taken after patches were added"
        count = max(1, VOXELS_AT_ONCE // self._sums[:, 0].numel())
        for k in range(first, last, count):
            some = slice(k, min(k + count, last))
            yield self._sums[:, some].float() / self._weights[some]

    def forget(self, count: int) -> None:
        """Make room for new rows in place of the first ones."""
        assert self._sums is not None, "rows are forgotten after patches were added"
        for sums in (*self._sums, self._weights):
            kept = len(sums) - count
            sums[:kept] = sums[count:].clone()
            sums[kept:] = 0
        self._first += count


def _zeros(shape: Sequence[int]) -> Tensor:
    """Room for sums: in single precision, else in half precision, else in a file."""
    if 4 * prod(shape) <= SINGLE_PRECISION_BYTES:
        return torch.zeros(tuple(shape))
    if 2 * prod(shape) <= available_bytes() // 2:
        return torch.zeros(tuple(shape), dtype=torch.half)
    with tempfile.TemporaryFile() as file:  # has no name, so nothing of it can be left behind
        return torch.from_numpy(np.memmap(file, np.float16, "w+", shape=tuple(shape)))


class _Watched:
    """The network in reduced precision on its device, telling of each patch."""

    def __init__(
        self,
        network: Network | PlacedNetwork,
        progress: Progress,
        total: int,
        device: torch.device | str,
    ) -> None:
        self._network, self._progress = network, progress
        self._done, self._total, self._device = 0, total, device

    def __call__(self, patches: Tensor, boxes: Sequence[tuple[slice, ...]]) -> Tensor:
        self._progress.advance(self._done, self._total, "patches")
        with torch.inference_mode(), reduced_precision(self._device):
            logits = self._asked(patches.to(self._device), boxes).float().cpu()
        self._done += len(patches)
        if self._done == self._total:
            self._progress.advance(self._total, self._total, "patches")
        return logits

    def _asked(self, patches: Tensor, boxes: Sequence[tuple[slice, ...]]) -> Tensor:
        if not isinstance(self._network, PlacedNetwork):
            return self._network(patches)
        within = Together(self._progress, self._done, len(patches), self._total)
        return self._network.ask(patches, [[side.start for side in box] for box in boxes], within)


def _padded(array: Array, patch_size: Sequence[int]) -> tuple[Array, tuple[slice, ...]]:
    """The array with zeros around it, at least as large as a patch, and where it lies in there."""
    missing = [max(0, side - n) for n, side in zip(array.shape[1:], patch_size, strict=True)]
    before = [m // 2 for m in missing]
    padding = [(0, 0), *((b, m - b) for b, m in zip(before, missing, strict=True))]
    padded = np.pad(array, padding) if any(missing) else array
    inner = tuple(slice(b, b + n) for b, n in zip(before, array.shape[1:], strict=True))
    return padded, inner


def _box(start: Sequence[int], patch_size: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(s, s + side) for s, side in zip(start, patch_size, strict=True))


def _edges(side: slice) -> tuple[int, int]:
    return side.start, side.stop


def _groups(
    boxes: Sequence[tuple[slice, ...]], count: int
) -> Iterator[Sequence[tuple[slice, ...]]]:
    """Patches that go through the network together."""
    return (boxes[k : k + count] for k in range(0, len(boxes), count))
