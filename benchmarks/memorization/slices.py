"""Axial slices of labelled volumes, by subject, as generators learn them and audits see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from verisim.audit.collection import Collection
from verisim.card import ModelCard
from verisim.dataset import Dataset
from verisim.progress import Progress
from verisim.synthesis.synthesizer import SyntheticCase
from verisim.training.batches import crop
from verisim.training.examples import Example, Reader
from verisim.volume import Array

LABELLED = 30
"""Voxels that a slice must show of the labels."""

SEEN = (32, 40, 1)
"""What is compared: the middle that nearly all slices have."""

HELD_OUT = 33
"""Subjects that no generator sees."""


@dataclass(frozen=True)
class Slice:
    """One slice of one subject.

    Args:
        subject: Whose it is.
        example: Image (C, X, Y, 1) and label (X, Y, 1).
    """

    subject: str
    example: Example


@dataclass(frozen=True)
class Material:
    """The slices of all subjects, in an order drawn by lot.

    Args:
        subjects: Held-out ones first.
        slices: Of all.
    """

    subjects: tuple[str, ...]
    slices: tuple[Slice, ...]

    @classmethod
    def of(cls, dataset: Dataset, card: ModelCard, progress: Progress) -> Material:
        """Read a data set as a model wants it."""
        reader, found = Reader(card), []
        for k, case in enumerate(dataset.cases):
            progress.advance(k, len(dataset.cases), "reading")
            example = reader.example(case)
            for z in np.flatnonzero((example.label > 0).sum(axis=(0, 1)) >= LABELLED):
                flat = Example(
                    example.image[..., z : z + 1],
                    example.label[..., z : z + 1],
                    f"{case.name}_z{z:02}",
                    example.spacing_mm,
                )
                found.append(Slice(case.subject, flat))
        listed = sorted({case.subject for case in dataset.cases})
        order = np.random.default_rng(0).permutation(listed)
        return cls(tuple(str(one) for one in order), tuple(found))

    @property
    def held_out(self) -> list[Slice]:
        """Of subjects that no generator sees."""
        return self._of(self.subjects[:HELD_OUT])

    def training(self, count: int) -> list[Slice]:
        """Of the first subjects that generators learn from: fewer are among more."""
        return self._of(self.subjects[HELD_OUT : HELD_OUT + count])

    def _of(self, subjects: Sequence[str]) -> list[Slice]:
        chosen = set(subjects)
        return [one for one in self.slices if one.subject in chosen]


def real(slices: Sequence[Slice]) -> Collection:
    """Real slices as an audit sees them."""
    return _collection(
        [one.example.name for one in slices],
        [one.subject for one in slices],
        [(one.example.image, one.example.label) for one in slices],
    )


def synthetic(cases: Iterable[SyntheticCase]) -> Collection:
    """Synthetic slices as an audit sees them: each is nobody's."""
    listed = list(cases)
    names = [case.provenance.name for case in listed]
    pairs = [(case.volume.array[np.newaxis], case.label_map.array) for case in listed]
    return _collection(names, names, pairs)


def _collection(
    names: Sequence[str], patients: Sequence[str], pairs: Sequence[tuple[Array, Array]]
) -> Collection:
    images = np.stack([_middle(image) for image, _ in pairs]).astype(np.float32)
    masks = np.stack([_middle(label[np.newaxis])[0] for _, label in pairs]).astype(np.uint8)
    strata = tuple(_stratum(mask) for mask in masks)
    blank = ("",) * len(names)
    return Collection(tuple(names), tuple(patients), strata, blank, images, masks)


def _middle(array: Array) -> Array:
    return crop(array, [n // 2 for n in array.shape[1:]], SEEN)


def _stratum(mask: Array) -> str:
    """Which labels a slice shows: it says about where the slice lies."""
    shown = [str(value) for value in np.unique(mask) if value and (mask == value).sum() >= 10]
    return "labels " + "+".join(shown) if shown else "no label"
