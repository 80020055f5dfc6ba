"""Which cases a person means with some paths, and where each answer goes, before any work."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from verisim.dataset import Case
from verisim.errors import BadInput, NotFound, StorageFailed, WrongChannels
from verisim.files import IMAGE_SUFFIXES, read, stem, suffix_of
from verisim.files.source import DICOM, LABEL_MAP_SUFFIXES
from verisim.map_files import MAP_SUFFIXES, MapFiles, map_files, map_suffix
from verisim.volume import Volume

PICTURE = ".png"


@dataclass(frozen=True)
class Question:
    """One case to segment.

    Args:
        case: Name.
        images: One file a channel, or one DICOM folder.
        output: Label map to write.
        series: SeriesInstanceUID, when the folder holds several.
        picture: Drawing to write.
        maps: To write beside the label map.
        samples: Label maps of a diffusion model's samples to write.
    """

    case: str
    images: tuple[Path, ...]
    output: Path
    series: str | None = None
    picture: Path | None = None
    maps: MapFiles = field(default_factory=MapFiles)
    samples: tuple[Path, ...] = ()

    @property
    def results(self) -> tuple[Path, ...]:
        """All files to write."""
        drawn = (self.picture,) if self.picture else ()
        return (self.output, *drawn, *self.maps.paths, *self.samples)

    def volume(self) -> Volume:
        """Read the channels onto the grid of the first."""
        if len(self.images) > 1:
            return Case(self.case, self.case, self.images).volume()
        return read(self.images[0], self.series)


@dataclass(frozen=True)
class Wish:
    """Where and how the person wants the answers.

    Args:
        output: File for one case, folder for a folder of cases.
        suffix: Format of the label maps in a folder.
        series: SeriesInstanceUID, when a DICOM folder holds several.
        picture: A .png for one case, a folder for a folder of cases.
        probability: A file for one case, which becomes one for each label, or a folder.
        uncertainty: A file for one case, or a folder.
        labels: Of the model.
        each_sample: A file for one case, which becomes one for each sample, or a folder.
        samples: How many the model draws.
    """

    output: Path
    suffix: str = ".nii.gz"
    series: str | None = None
    picture: Path | None = None
    probability: Path | None = None
    uncertainty: Path | None = None
    labels: tuple[str, ...] = ()
    each_sample: Path | None = None
    samples: int = 0

    def sample_files(self, case: str, in_folders: bool = False) -> tuple[Path, ...]:
        """The samples of a case; in folders if they are, or if there are several cases."""
        if self.each_sample is None:
            return ()
        inside = in_folders or self.each_sample.is_dir()
        place = self.each_sample / f"{case}{self.suffix}" if inside else self.each_sample
        return numbered(place, self.samples)

    def maps(self, case: str, in_folders: bool = False) -> MapFiles:
        """The maps of a case; in folders if they are, or if there are several cases."""
        name = f"{case}{map_suffix(self.suffix)}"
        probability, uncertainty = (
            place / name if place and (in_folders or place.is_dir()) else place
            for place in (self.probability, self.uncertainty)
        )
        return map_files(probability, uncertainty, self.labels)


def plan_questions(inputs: Sequence[Path], wish: Wish, channels: int) -> tuple[Question, ...]:
    """Find the cases behind the paths.

    Args:
        inputs: A file, a DICOM folder, a folder of cases, or one file for each channel.
        wish: Where the answers go.
        channels: How many the model wants.

    Raises:
        NotFound: An input does not exist.
        WrongChannels: Several files, but not one for each channel.
        BadInput: A result's format is not known, or it would replace an input or another one.
        StorageFailed: A result's place cannot be written to.
    """
    for path in inputs:
        if not path.exists():
            raise NotFound(f"There is no file or folder {path}.", "Check the path.")
    cases = _cases_in(inputs[0], channels) if len(inputs) == 1 else {}
    if cases:
        questions = tuple(_of_many(case, images, wish) for case, images in cases.items())
    else:
        questions = (_of_one(tuple(inputs), wish, channels),)
    _check(questions)
    return questions


def check_place(path: Path) -> None:
    """Ask, before long work, that a file can be written later; its folder may be made then.

    Raises:
        StorageFailed: It cannot.
    """
    parents = [path.parent, *path.absolute().parents]
    nearest = next(folder for folder in parents if folder.exists())
    if path.is_dir() or not nearest.is_dir():
        place = path if path.is_dir() else nearest
        kind = "a folder" if path.is_dir() else "a file, not a folder"
        raise StorageFailed(f"{path} cannot be written: {place} is {kind}.", "Choose another.")
    if not os.access(nearest, os.W_OK):
        raise StorageFailed(
            f"{path} cannot be written: the folder {nearest} may not be written to.",
            "Choose a folder that you may write to.",
        )


def numbered(path: Path, count: int) -> tuple[Path, ...]:
    """A file for each sample: "s.nrrd" is "s-1.nrrd", "s-2.nrrd", …"""
    suffix = suffix_of(path)
    name = path.name.removesuffix(suffix)
    return tuple(path.with_name(f"{name}-{k}{suffix}") for k in range(1, count + 1))


def _of_one(images: tuple[Path, ...], wish: Wish, channels: int) -> Question:
    if len(images) > 1 and len(images) != channels:
        raise WrongChannels(
            f"{len(images)} files are the channels of one case, and the model wants {channels}.",
            "For several cases name the folder that holds them.",
        )
    first = images[0]
    case = first.resolve().name if first.is_dir() else stem(first)
    in_folder = wish.output.is_dir()  # as with cp, an existing folder receives the file
    output = wish.output / f"{case}{wish.suffix}" if in_folder else wish.output
    drawn = wish.sample_files(case)
    return Question(case, images, output, wish.series, wish.picture, wish.maps(case), drawn)


def _of_many(case: str, images: tuple[Path, ...], wish: Wish) -> Question:
    maps = wish.probability, wish.uncertainty
    for place in (wish.output, wish.picture, *maps, wish.each_sample):
        if (
            place is not None
            and suffix_of(place) in (*LABEL_MAP_SUFFIXES, PICTURE)
            and not place.is_dir()
        ):
            raise BadInput(
                f"{place} is the name of a file, but there are several cases.",
                "Name a folder for them.",
            )
    picture = wish.picture / f"{case}{PICTURE}" if wish.picture else None
    output, drawn = wish.output / f"{case}{wish.suffix}", wish.sample_files(case, in_folders=True)
    files = wish.maps(case, in_folders=True)
    return Question(case, images, output, wish.series, picture, files, drawn)


def _cases_in(folder: Path, channels: int) -> dict[str, tuple[Path, ...]]:
    """Images lie in a folder beside each other, DICOM series each in a folder of its own."""
    if not folder.is_dir():
        return {}
    found = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    images = [path for path in found if path.name.lower().endswith(IMAGE_SUFFIXES)]
    if images:
        return _grouped(images, channels)
    only_folders = all(path.is_dir() for path in found)
    return {path.name: (path,) for path in found} if only_folders else {}


def _grouped(images: Sequence[Path], channels: int) -> dict[str, tuple[Path, ...]]:
    """nnU-Net's CASE_0000, CASE_0001, … are one case's channels; otherwise each file is a case."""
    numbered = [re.fullmatch(r"(.+)_(\d{4})", stem(path)) for path in images]
    if channels == 1 and not all(n and n.group(2) == "0000" for n in numbered):
        numbered = [None] * len(images)
    cases: dict[str, list[Path]] = {}
    for path, number in zip(images, numbered, strict=True):
        cases.setdefault(number.group(1) if number else stem(path), []).append(path)
    for case, files in cases.items():
        if channels == 1 and len(files) > 1:
            raise BadInput(
                f"{' and '.join(path.name for path in files)} are both the case {case}.",
                "Rename or remove one of them.",
            )
    return {case: tuple(files) for case, files in cases.items()}


def _check(questions: Sequence[Question]) -> None:
    inputs = {path.resolve() for question in questions for path in question.images}
    taken: set[Path] = set()
    for question in questions:
        _check_format(question)
        for path in question.results:
            place = path.resolve()
            if place in inputs:
                raise BadInput(
                    f"The output {path} would replace an input.", "Choose another name."
                )
            if place in taken:
                raise BadInput(
                    f"Two results would be written to {path}.", "Choose another name or folder."
                )
            taken.add(place)
            check_place(path)


def _check_format(question: Question) -> None:
    output, picture = question.output, question.picture
    for path in (output, *question.samples):
        if suffix_of(path) not in LABEL_MAP_SUFFIXES:
            raise BadInput(
                f"The output {path} has no known format.",
                f"Let it end in {', '.join(LABEL_MAP_SUFFIXES)}.",
            )
    if picture is not None and suffix_of(picture) != PICTURE:
        raise BadInput(f"The picture {picture} has no known format.", "Let it end in .png.")
    for path in question.maps.paths:
        if suffix_of(path) not in MAP_SUFFIXES:
            raise BadInput(
                f"The map {path} has no format that holds intensities.",
                f"Let it end in {', '.join(MAP_SUFFIXES)}.",
            )
    if DICOM in map(suffix_of, (output, *question.samples)) and not question.images[0].is_dir():
        raise BadInput(
            f"{output} would be a DICOM SEG, which refers to the DICOM series of its input.",
            "Segment a DICOM folder, or write .seg.nrrd.",
        )
