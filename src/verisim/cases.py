"""From what lies on the disk to label maps on the disk: one case after the other."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from verisim.dataset import Case
from verisim.errors import BadInput, Cancelled, NotFound, StorageFailed, VerisimError
from verisim.files import IMAGE_SUFFIXES, GeometryWarning, read, stem, write
from verisim.files.source import DICOM, NIFTI, SEGMENTATION_NRRD, suffix_of
from verisim.overlay import draw
from verisim.progress import SILENT, Progress
from verisim.segmentation import Segmenter
from verisim.volume import Volume

WRITABLE = (*NIFTI, ".nrrd", SEGMENTATION_NRRD, DICOM)
"""Formats of a label map."""


@dataclass(frozen=True)
class Question:
    """One case to segment.

    Args:
        case: Name.
        images: One file a channel, or one DICOM folder.
        output: Label map to write.
        series: SeriesInstanceUID, when the folder holds several.
    """

    case: str
    images: tuple[Path, ...]
    output: Path
    series: str = ""

    def volume(self) -> Volume:
        """Read the channels onto the grid of the first."""
        if len(self.images) > 1:
            return Case(self.case, self.case, self.images).volume()
        return read(self.images[0], self.series or None)


@dataclass(frozen=True)
class Answer:
    """What came of one case.

    Args:
        case: Name.
        output: The label map, if one was written.
        volumes_ml: Millilitres of each label.
        certainty: Mean probability of the chosen label over the foreground.
        seconds: Wall time, from reading to the written file.
        stages: Wall time of each stage of the segmentation.
        warnings: What the person should know before trusting it.
        error: Why there is no label map; empty when there is one.
        code: Of the error.
    """

    case: str
    output: Path | None = None
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    certainty: float = 0.0
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str = ""
    code: str = ""


def plan_answers(
    inputs: Sequence[Path], output: Path, channels: int, suffix: str, series: str = ""
) -> tuple[Question, ...]:
    """Find the cases behind the paths, before anything is computed.

    Args:
        inputs: A file, a DICOM folder, a folder of cases, or one file for each channel.
        output: File for one case, folder for a folder of cases.
        channels: How many the model wants.
        suffix: Format of the label maps of a folder of cases.
        series: SeriesInstanceUID, when a DICOM folder holds several.

    Raises:
        NotFound: An input does not exist.
        BadInput: The output's format is not known, or it would replace an input.
    """
    for path in inputs:
        if not path.exists():
            raise NotFound(f"There is no file or folder {path}.", "Check the path.")
    folder = inputs[0] if len(inputs) == 1 and inputs[0].is_dir() else None
    images = _images(folder) if folder else []
    if images:
        _check_format(Path(f"case{suffix}"), ())
        return tuple(
            Question(case, files, output / f"{case}{suffix}")
            for case, files in _grouped(images, channels).items()
        )
    _check_format(output, tuple(inputs))
    return (Question(stem(inputs[0]), tuple(inputs), output, series),)


def segment_cases(
    segmenter: Segmenter,
    questions: Sequence[Question],
    skip_existing: bool = False,
    picture: Path | None = None,
    progress: Progress = SILENT,
) -> tuple[Answer, ...]:
    """Segment one case after the other; of several, one that fails does not stop the rest.

    Raises:
        VerisimError: The only case failed, the disk refused, or the caller cancelled.
    """
    answers = []
    for k, question in enumerate(questions):
        watcher = progress if len(questions) == 1 else SILENT
        progress.advance(k, len(questions), question.case)
        if skip_existing and question.output.exists():
            answers.append(Answer(question.case, question.output, warnings=("kept as it was",)))
            continue
        try:
            answers.append(_answer(segmenter, question, picture, watcher))
        except (StorageFailed, Cancelled):
            raise
        except VerisimError as error:
            if len(questions) == 1:
                raise
            answers.append(Answer(question.case, error=str(error), code=error.code))
    progress.advance(len(questions), len(questions), "done")
    return tuple(answers)


def _answer(
    segmenter: Segmenter, question: Question, picture: Path | None, progress: Progress
) -> Answer:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", UserWarning)
        volume = question.volume()
    segmentation = segmenter(volume, progress)
    card = segmenter.card
    _make_folder(question.output.parent)
    write(question.output, segmentation.label_map, card.colors, reference=question.images[0])
    if picture is not None:
        _make_folder(picture.parent)
        draw(picture, volume, segmentation.label_map, card.colors)
    return Answer(
        case=question.case,
        output=question.output,
        volumes_ml={k: round(v, 4) for k, v in segmentation.label_map.volumes_ml.items()},
        certainty=segmentation.certainty,
        seconds=round(segmentation.total_seconds, 3),
        stages=segmentation.seconds,
        warnings=(*_geometry(heard), *segmentation.warnings),
    )


def _geometry(heard: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """Warnings of the readers; those of third parties are not for this person."""
    return tuple(str(w.message) for w in heard if issubclass(w.category, GeometryWarning))


def _images(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.iterdir()) if p.name.endswith(IMAGE_SUFFIXES)]


def _grouped(images: Sequence[Path], channels: int) -> dict[str, tuple[Path, ...]]:
    """nnU-Net's CASE_0000, CASE_0001, … are one case's channels; otherwise each file is a case."""
    numbered = [re.fullmatch(r"(.+)_(\d{4})", stem(path)) for path in images]
    if channels == 1 and not all(n and n.group(2) == "0000" for n in numbered):
        return {stem(path): (path,) for path in images}
    cases: dict[str, list[Path]] = {}
    for path, number in zip(images, numbered, strict=True):
        cases.setdefault(number.group(1) if number else stem(path), []).append(path)
    return {case: tuple(files) for case, files in cases.items()}


def _check_format(output: Path, inputs: tuple[Path, ...]) -> None:
    if suffix_of(output) not in WRITABLE:
        raise BadInput(
            f"The output {output} has no known format.", f"Let it end in {', '.join(WRITABLE)}."
        )
    if any(path.resolve() == output.resolve() for path in inputs):
        raise BadInput(f"The output {output} is the input itself.", "Choose another name.")
    if suffix_of(output) == DICOM and not (inputs and inputs[0].is_dir()):
        raise BadInput(
            f"{output} would be a DICOM SEG, which refers to the DICOM series of its input.",
            "Segment a DICOM folder, or write .seg.nrrd.",
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(
            f"The folder {folder} cannot be made: {error.strerror}.", "Choose another folder."
        ) from error
