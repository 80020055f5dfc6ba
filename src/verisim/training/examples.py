"""Preprocessed cases: in memory while they fit, beyond that as files that are mapped into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from verisim.card import ModelCard
from verisim.dataset import Case
from verisim.errors import NotFound, WrongChannels
from verisim.files import read_label_map
from verisim.files.atomic import make_folder, replacing
from verisim.free_memory import available_bytes
from verisim.progress import SILENT, Progress
from verisim.volume import Array, Volume

MEMORY_SHARE = 0.5
"""Of the free memory, what preprocessed cases may take."""

MOST_PLACES = 10_000
"""Voxels of a label that are remembered to centre patches on (nnU-Net's number)."""


@dataclass(frozen=True)
class Example:
    """A preprocessed case.

    Args:
        image: (C, X, Y, Z) float32.
        label: (X, Y, Z), integers.
        name: Of the case.
        spacing_mm: Voxel size of both.
        places: Some voxels (N, 3) of each label that is present.
    """

    image: Array
    label: Array
    name: str = ""
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    places: Mapping[int, Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", _places(self.label))

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Lengths of the case's box."""
        x, y, z = (n * side for n, side in zip(self.label.shape, self.spacing_mm, strict=True))
        return x, y, z


@dataclass
class Shelf:
    """Keeps examples in memory while they fit, and the others in a folder.

    Args:
        folder: Receives `.npy` files, which training reads a patch at a time.
        memory_bytes: What may be kept in memory.
    """

    folder: Path
    memory_bytes: float

    def kept(self, example: Example) -> Example:
        """The same example, from now on in memory or in the folder."""
        size = example.image.nbytes + example.label.nbytes
        if size <= self.memory_bytes:
            self.memory_bytes -= size
            return example
        return Example(
            image=self._mapped(example.image, f"{example.name}.image.npy"),
            label=self._mapped(example.label, f"{example.name}.label.npy"),
            name=example.name,
            spacing_mm=example.spacing_mm,
        )

    def _mapped(self, array: Array, name: str) -> Array:
        make_folder(self.folder)
        path = self.folder / name
        with replacing(path) as temporary:
            np.save(temporary, array)
        mapped: Array = np.load(path, mmap_mode="r")
        return mapped


@contextmanager
def shelf(run_folder: Path) -> Iterator[Shelf]:
    """A shelf of half the free memory; its files in the run's folder go when the block ends."""
    folder = run_folder / "preprocessed"
    try:
        yield Shelf(folder, MEMORY_SHARE * available_bytes())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Reader:
    """Reads and preprocesses cases as a model wants them.

    Args:
        card: The model.
        labels: Name to value in the data set.
        before: Answers of the model of low resolution, by the case's name, for a cascade.
    """

    card: ModelCard
    before: Mapping[str, Path] = field(default_factory=dict)

    def read(
        self,
        cases: Sequence[Case],
        shelf: Shelf,
        title: str,
        progress: Progress = SILENT,
    ) -> list[Example]:
        """All cases, in their order.

        Args:
            cases: With labels.
            shelf: Keeps them.
            title: What they are, for the progress.
            progress: Hears of every case.

        Raises:
            BadDataset: A label is missing or belongs to another image.
            WrongChannels: A case has other channels than the model wants.
        """
        examples = []
        for k, case in enumerate(cases):
            progress.advance(k, len(cases), f"reading {title}")
            examples.append(shelf.kept(self.example(case)))
        return examples

    def example(self, case: Case) -> Example:
        """One case, preprocessed."""
        volume, label = case.pair(self.card.labels)
        if volume.channels != len(self.card.channels):
            raise WrongChannels(
                f"The case {case.name} has {volume.channels} channels, "
                f"{self.card.title} wants {len(self.card.channels)}.",
                "Train a model of its own for this data set.",
            )
        image = self.card.preprocessing(volume)
        truth = label.resampled_like(image).array
        small = truth.astype(np.min_scalar_type(max(self.card.labels.values())))
        array = np.concatenate([image.array, *self._before(case, image)])
        return Example(array, small, case.name, image.spacing_mm)

    def _before(self, case: Case, image: Volume) -> list[Array]:
        """For a cascade one channel a label: 1 inside what the first stage answered."""
        if not self.card.previous:
            return []
        if case.name not in self.before:
            raise NotFound(
                f"There is no answer of {self.card.previous} to the case {case.name} that it did "
                "not learn from.",
                f"Train {self.card.previous} with --fold all on the same cases first.",
            )
        answer = read_label_map(self.before[case.name], self.card.labels).resampled_like(image)
        return [answer.binary(name).astype(np.float32)[np.newaxis] for name in answer.labels]


def _places(label: Array) -> dict[int, Array]:
    """Voxels of each label: all of a small one, a random part of a large one."""
    generator = np.random.default_rng(0)
    found = {}
    for value in np.unique(label):
        if value > 0:
            voxels = np.argwhere(label == value)
            if len(voxels) > MOST_PLACES:
                voxels = generator.choice(voxels, MOST_PLACES, replace=False)
            found[int(value)] = voxels.astype(np.int32)
    return found
