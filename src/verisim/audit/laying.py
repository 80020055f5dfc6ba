"""Queries with the training cases that are laid onto them: what several measures look at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from verisim.audit.candidates import Candidates, CandidateSearch, tiles
from verisim.audit.collection import Collection
from verisim.audit.measure import Alignment
from verisim.audit.poses import alignment_of
from verisim.audit.registration import (
    Fit,
    agreement,
    agreement_inside,
    best_place,
    fitted,
    laid_on,
    local_agreement,
    warped,
)
from verisim.audit.shifts import SEARCH_STEP
from verisim.audit.texture import Band, as_tensor, pooled, step_for

WORKING_VOXELS = 1 << 16
"""Larger images are compared at half the voxels a side, or a quarter, …"""

TEXTURES_AT_ONCE = 16

FINE_STEPS = 10


@dataclass(frozen=True)
class Laid:
    """One training case, laid onto a query.

    Args:
        row: Of the training case.
        score: How well the textures agree.
        alignment: How it is laid.
    """

    row: int
    score: float
    alignment: Alignment


@dataclass(frozen=True)
class Finding:
    """What the search found for a query.

    Args:
        whole: The training case that agrees best as a whole.
        bent: The same after a smooth warp.
        recoloured: The one that, laid on as a whole, agrees best in every small place for itself,
            whatever the sign there.
        tile: The one that, laid on as a whole, agrees best in some tile, maybe in one channel.
        part: The one of which some part agrees best, found by that part alone.
        detail: The same by finer texture.
    """

    whole: Laid
    bent: Laid
    recoloured: Laid
    tile: Laid
    part: Laid
    detail: Laid


@dataclass(frozen=True)
class Laying:
    """How training cases are searched for and laid onto queries.

    Args:
        band: The texture that is searched for and laid on.
        sturdy: The texture by which parts are judged: coarser, since a part has fewer voxels for
            noise to cancel out in.
        candidates: Training cases that are laid onto a query.
        bent: How many of these are warped.
        device: Where to compute.
    """

    band: Band = field(default_factory=Band)
    sturdy: Band = field(default_factory=lambda: Band(1.0, 2.0))
    candidates: int = 3
    bent: int = 1
    device: str = "cpu"

    def prepared(self, training: Collection) -> LayingIndex:
        """Training cases, ready to be searched; the same object for the same cases."""
        key = _key_of(training)
        if key not in _INDICES:
            _INDICES.clear()  # one training set at a time
            _INDICES[key] = {}
        if self not in _INDICES[key]:
            _INDICES[key][self] = LayingIndex.of(training, self)
        return _INDICES[key][self]


@dataclass(frozen=True, eq=False)
class LayingIndex:
    """Training cases, and what was found for queries so far.

    Args:
        how: The settings.
        images: Of the training cases, (N, C, X, Y, Z); may be mapped from disk.
        search: Of candidates.
        patients: Of the training cases.
        shape: Of the original grid, (X, Y, Z).
        step: Its voxels in one of the working grid.
        known: What was found, by query: measures that look at the same search pay once.
    """

    how: Laying
    images: npt.NDArray[np.float32]
    search: CandidateSearch
    patients: tuple[str, ...]
    shape: tuple[int, int, int]
    step: int
    known: dict[bytes, Finding] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, object]:
        """For another process: without what was found so far."""
        return {**vars(self), "known": {}}

    @classmethod
    def of(cls, training: Collection, how: Laying) -> LayingIndex:
        """Of training cases."""
        x, y, z = training.images.shape[2:]
        step = step_for((x, y, z), WORKING_VOXELS)
        starts = range(0, len(training), TEXTURES_AT_ONCE)
        textures = (
            _textures(
                training.images[start : start + TEXTURES_AT_ONCE], step, how.band, how.device
            )
            for start in starts
        )
        search = CandidateSearch.of(textures, how.band)
        return cls(how, training.images, search, training.patients, (x, y, z), step)

    def __call__(self, image: npt.NDArray[np.float32], patient: str | None) -> Finding:
        """What is found for a query (C, X, Y, Z).

        Args:
            image: On the original grid.
            patient: Whose training cases do not count.
        """
        key = hashlib.sha256(np.ascontiguousarray(image).tobytes() + repr(patient).encode())
        found = self.known.get(key.digest())
        if found is None:
            allowed = torch.tensor([own != patient for own in self.patients])
            found = self._found(as_tensor(image[np.newaxis], self.how.device), allowed)
            self.known[key.digest()] = found
        return found

    def _found(self, image: Tensor, allowed: Tensor) -> Finding:
        image = pooled(image, self.step)
        allowed = allowed.to(image.device)
        texture = self.how.band(image)
        whole = self.search.whole(image, allowed, self.how.candidates)
        fit = self.fitted(texture, whole)
        best = fit.scores.topk(min(self.how.bent, len(fit.scores))).indices
        parts = self.search.parts(image, allowed, self.how.candidates)
        partial = self.fitted(texture, parts)
        return Finding(
            self._laid(whole, self.inside(texture, whole, fit)),
            self._laid(whole.subset(best), self.bent(texture, whole.subset(best), fit.of(best))),
            self._laid(whole, self.recoloured(texture, fit)),
            self._laid(whole, self.by_tiles(image, whole, fit)),
            self._laid(parts, self.by_part(image, parts, partial)),
            self._laid(parts, partial),
        )

    def fitted(self, texture: Tensor, found: Candidates) -> Fit:
        """Affine maps on the grid of the search, then on the working grid.

        Args:
            texture: Of the query, (1, C, X, Y, Z).
            found: Training cases that are laid onto it.
        """
        own = texture.expand(len(found.rows), -1, -1, -1, -1)
        cases = self._textures_of(found.rows, self.how.band)
        start = found.starts.clone()
        start[:, :, 3] /= SEARCH_STEP
        coarse = fitted(
            pooled(own, SEARCH_STEP),
            pooled(cases, SEARCH_STEP),
            start,
            found.signs,
            weights=pooled(found.weights, SEARCH_STEP),
        )
        maps = coarse.matrices.clone()
        maps[:, :, 3] *= SEARCH_STEP
        return fitted(own, cases, maps, found.signs, FINE_STEPS, found.weights)

    def bent(self, texture: Tensor, found: Candidates, fit: Fit) -> Fit:
        """A smooth warp on top of affine maps."""
        own = texture.expand(len(found.rows), -1, -1, -1, -1)
        return warped(own, self._textures_of(found.rows, self.how.band), fit, found.signs)

    def inside(self, texture: Tensor, found: Candidates, fit: Fit) -> Fit:
        """The same maps, judged where the training case lies: what was shrunk leaves a rim."""
        own = texture.expand(len(fit.scores), -1, -1, -1, -1)
        scores = found.signs * agreement_inside(own, fit.laid, fit.box)
        return replace(fit, scores=scores)

    def recoloured(self, texture: Tensor, fit: Fit) -> Fit:
        """The same maps, judged in every small place of the training case for itself."""
        own = texture.expand(len(fit.scores), -1, -1, -1, -1)
        return replace(fit, scores=local_agreement(own, fit.laid, fit.box))

    def by_tiles(self, image: Tensor, found: Candidates, fit: Fit) -> Fit:
        """The same maps, judged by the tile where each agrees best.

        Args:
            image: The query on the working grid, (1, C, X, Y, Z).
            found: Training cases that are laid onto it.
            fit: How.
        """
        own, laid = self._sturdy(image, found, fit)
        places = tiles(image.shape[2:]).to(image.device)
        return replace(fit, scores=best_place(own, laid, found.signs, places))

    def by_part(self, image: Tensor, found: Candidates, fit: Fit) -> Fit:
        """The same maps, judged within the part by which each was found."""
        own, laid = self._sturdy(image, found, fit)
        return replace(fit, scores=found.signs * agreement(own, laid, found.weights))

    def _sturdy(self, image: Tensor, found: Candidates, fit: Fit) -> tuple[Tensor, Tensor]:
        own = self.how.sturdy(image).expand(len(found.rows), -1, -1, -1, -1)
        return own, laid_on(self._textures_of(found.rows, self.how.sturdy), fit.matrices)

    def _textures_of(self, rows: Tensor, band: Band) -> Tensor:
        return _textures(self.images[rows.cpu().numpy()], self.step, band, self.how.device)

    def _laid(self, found: Candidates, fit: Fit) -> Laid:
        best = int(fit.scores.argmax())
        matrix = fit.matrices[best].double().cpu().numpy()
        matrix[:, 3] *= self.step
        if self.shape[2] == 1:
            matrix[2, 3] = 0
        sign = int(found.signs[best])
        return Laid(
            int(found.rows[best]),
            float(fit.scores[best]),
            alignment_of(matrix, self.shape, sign),
        )


def _textures(images: npt.NDArray[np.float32], step: int, band: Band, device: str) -> Tensor:
    return band(pooled(as_tensor(images, device), step))


_INDICES: dict[bytes, dict[Laying, LayingIndex]] = {}
"""Of the last training set, so that several measures share what is expensive."""


def _key_of(training: Collection) -> bytes:
    """Training cases as they were read: their digests and values."""
    digest = hashlib.sha256("\n".join((*training.names, *training.patients)).encode())
    for image in training.images:
        digest.update(np.ascontiguousarray(image).tobytes())
    return digest.digest()
