"""Label maps on their own: a copied mask under a new texture is a leak, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.collection import Collection
from verisim.audit.measure import Alignment, Matches
from verisim.audit.poses import Turn, alignment_of, turns
from verisim.audit.shifts import ShiftSearch
from verisim.audit.texture import pooled, step_for
from verisim.errors import BadInput
from verisim.progress import SILENT, Progress

SEARCH_VOXELS = 1 << 13
"""Of the grid on which candidates are searched."""

CANDIDATES = 5
"""Training cases whose every shift is tried on the original grid."""


@dataclass(frozen=True)
class MaskOverlap:
    """How few voxels of two label maps differ, over flips, quarter turns and all shifts.

    The score is (n - d) / (n + d), of n = |A| + |B| and d = 1 + voxels that differ, within what
    both boxes show. On Fisher's scale, on which scores are compared, this is ln(n / d) / 2: large
    masks that agree voxel by voxel are stronger evidence than small ones, which agree by chance.

    Args:
        device: Where to compute.
    """

    device: str = "cpu"

    @property
    def name(self) -> str:
        """For tables."""
        return "mask"

    def prepared(self, training: Collection, progress: Progress = SILENT) -> MaskIndex:
        """See `Measure`.

        Raises:
            BadInput: There are no label maps.
        """
        masks = _masks_of(training)
        labels = tuple(int(value) for value in np.unique(masks) if value)
        if not labels:
            raise BadInput("All label maps are empty.", "Leave the measure of masks out.")
        progress.advance(0, 1, self.name)
        layers = one_layer_a_label(masks, labels, self.device)
        step = step_for(masks.shape[1:], SEARCH_VOXELS)
        search = ShiftSearch.of(pooled(layers.float(), step))
        return MaskIndex(labels, layers, search, step, training.patients)


@dataclass(frozen=True, eq=False)
class Posed:
    """A query's label map in every pose.

    Args:
        views: Flips and quarter turns.
        turned: Its layers after each, (V, L, X, Y, Z).
        peaks: Of each training case: the best agreement on the coarser grid, (N,).
        which: The view that has it, (N,).
    """

    views: tuple[Turn, ...]
    turned: Tensor
    peaks: Tensor
    which: Tensor


@dataclass(frozen=True, eq=False)
class MaskIndex:
    """Label maps of training cases, see `Index`.

    Args:
        labels: Values that occur.
        layers: One for each label, (N, L, X, Y, Z) bool.
        search: The same on a coarser grid.
        step: Voxels of the original grid in one of that.
        patients: Whose they are.
    """

    labels: tuple[int, ...]
    layers: Tensor
    search: ShiftSearch
    step: int
    patients: tuple[str, ...]

    def __call__(
        self,
        queries: Collection,
        progress: Progress = SILENT,
        *,
        not_of: Sequence[str] | None = None,
    ) -> Matches:
        """See `Index`; an empty mask is like none, and scores 0."""
        masks = _masks_of(queries)
        found = []
        for k in range(len(queries)):
            progress.advance(k, len(queries), "mask")
            patient = None if not_of is None else not_of[k]
            allowed = [own != patient for own in self.patients]
            posed = self.posed(masks[k])
            found.append(self._found(posed, torch.tensor(allowed, device=self.layers.device)))
        scores, rows, alignments = zip(*found, strict=True)
        return Matches("mask", np.array(scores), np.array(rows, dtype=np.intp), alignments)

    def posed(self, mask: npt.NDArray[np.uint8]) -> Posed:
        """A label map (X, Y, Z) in every pose, and how well training cases may fit each."""
        layers = one_layer_a_label(mask[np.newaxis], self.labels, self.layers.device)
        views = turns(layers.shape[4] == 1)
        turned = torch.cat([turn(layers.float()) for turn in views])
        strongest, which = self.search(pooled(turned, self.step)).values.max(dim=0)
        return Posed(views, turned, strongest, which)

    def laid(self, posed: Posed, row: int) -> tuple[float, int, Alignment]:
        """The score of one training case, its row, and how it is laid on."""
        which = int(posed.which[row])
        return self._laid(posed.turned[which], posed.views[which], row)

    def _found(self, posed: Posed, allowed: Tensor) -> tuple[float, int, Alignment]:
        peaks = posed.peaks.masked_fill(~allowed, -1.0)
        rows = peaks.topk(min(CANDIDATES, int(allowed.sum()))).indices
        return max((self.laid(posed, int(row)) for row in rows), key=lambda one: one[0])

    def _laid(self, view: Tensor, turn: Turn, row: int) -> tuple[float, int, Alignment]:
        case = self.layers[row].float()
        shape = tuple(case.shape[1:])
        if not view.any() or not case.any():
            return 0.0, row, Alignment()
        peaks = ShiftSearch.of(case[None])(view[None])
        moved = tuple(int(n) for n in peaks.shifts[0, 0])
        own, other = _overlapping(view, case, moved)
        size, differing = float(own.sum() + other.sum()), 1 + float((own != other).sum())
        if size == 0:
            return 0.0, row, Alignment()
        shift = -peaks.shifts[0, 0].double().cpu().numpy()
        matrix = np.concatenate([np.linalg.inv(turn.matrix), shift[:, None]], axis=1)
        score = (size - differing) / (size + differing)
        return score, row, alignment_of(matrix, shape, 1)


def _overlapping(view: Tensor, case: Tensor, moved: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """What a view (L, X, Y, Z) and a case have in common after a shift from the case to it."""
    for axis, by in enumerate(moved, start=1):
        count = view.shape[axis] - abs(by)
        view = view.narrow(axis, max(by, 0), count)
        case = case.narrow(axis, max(-by, 0), count)
    return view, case


def one_layer_a_label(
    masks: npt.NDArray[np.uint8], labels: Sequence[int], device: str | torch.device = "cpu"
) -> Tensor:
    """Where each label is, (N, L, X, Y, Z) bool; values that are none of them are background."""
    values = torch.from_numpy(np.array(masks)).to(device)
    return torch.stack([values == label for label in labels], dim=1)


def _masks_of(collection: Collection) -> npt.NDArray[np.uint8]:
    if collection.masks is None:
        raise BadInput(
            "There are no label maps to compare.", "Leave the measure of masks out, or add them."
        )
    return collection.masks
