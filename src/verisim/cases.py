"""From what lies on the disk to label maps on the disk: one case after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from verisim.consensus import Sampled
from verisim.errors import Cancelled, StorageFailed, VerisimError, heard_warnings
from verisim.files import write
from verisim.files.atomic import make_folder
from verisim.map_files import MapFiles
from verisim.overlay import draw
from verisim.progress import SILENT, Progress
from verisim.questions import Question
from verisim.segmentation import Segmenter

PARTS = 100
"""Steps of one case in the progress of all."""


@dataclass(frozen=True)
class Refusal:
    """Why a case has no label map."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Answer:
    """What came of one case.

    Args:
        case: Name.
        output: The label map, if there is one.
        volumes_ml: Millilitres of each label.
        certainty: Mean probability of the chosen label over the foreground; 0 where nothing was
            found.
        seconds: Wall time, from reading to the written file.
        stages: Wall time of each stage.
        warnings: What the person should know before trusting it.
        error: Why there is no label map.
        maps: Those that were written beside it.
        expected_dice: Of each label that was found, what its probabilities let expect.
        sampled: What a diffusion model's samples say beside their mean.
        samples: Their label maps that were written.
    """

    case: str
    output: Path | None = None
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    certainty: float = 0.0
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: Refusal | None = None
    maps: MapFiles = field(default_factory=MapFiles)
    expected_dice: Mapping[str, float] = field(default_factory=dict)
    sampled: Sampled | None = None
    samples: tuple[Path, ...] = ()


def segment_cases(
    segmenter: Segmenter,
    questions: Sequence[Question],
    skip_existing: bool = False,
    progress: Progress = SILENT,
) -> tuple[Answer, ...]:
    """Segment one case after the other; of several, one that fails does not stop the rest.

    Raises:
        VerisimError: The only case failed, the disk refused, or the caller cancelled.
    """
    answers = []
    for k, question in enumerate(questions):
        watcher = _Share(progress, k, len(questions), question.case)
        watcher.advance(0, 1, "reading")
        if skip_existing and question.output.exists():
            answers.append(Answer(question.case, question.output, warnings=("kept as it was",)))
            continue
        try:
            answers.append(_answer(segmenter, question, watcher))
        except (StorageFailed, Cancelled):
            raise
        except VerisimError as error:
            if len(questions) == 1:
                raise
            refusal = Refusal(error.code, error.message, error.remedy)
            answers.append(Answer(question.case, error=refusal))
    return tuple(answers)


@dataclass(frozen=True)
class _Share:
    """The progress of one case as a part of the progress of all."""

    whole: Progress
    index: int
    count: int
    case: str

    def advance(self, done: int, total: int, message: str = "") -> None:
        part = PARTS * done // max(total, 1)
        said = f"{self.case} {message}" + f" {done}/{total}" * (total > 1)
        self.whole.advance(self.index * PARTS + part, self.count * PARTS, said)


def _answer(segmenter: Segmenter, question: Question, progress: Progress) -> Answer:
    started = time.perf_counter()
    with heard_warnings() as heard:
        volume = question.volume()
    read = time.perf_counter()
    segmentation = segmenter(volume, progress)
    segmented = time.perf_counter()
    colors = segmenter.card.colors
    for path in question.results:
        make_folder(path.parent)
    question.maps.write(segmentation.maps)
    reference = question.images[0] if question.images[0].is_dir() else None
    write(question.output, segmentation.label_map, colors, reference, question.series)
    if segmentation.sampled:
        for path, sample in zip(question.samples, segmentation.sampled.label_maps, strict=False):
            write(path, sample, colors, reference, question.series)
    written = time.perf_counter()
    if question.picture is not None:
        draw(question.picture, volume, segmentation.label_map, colors)
    around = {"reading": read - started, "writing": written - segmented}
    return Answer(
        case=question.case,
        output=question.output,
        volumes_ml={k: round(v, 4) for k, v in segmentation.label_map.volumes_ml.items()},
        certainty=segmentation.certainty,
        seconds=round(written - started, 3),
        stages={k: round(v, 4) for k, v in {**around, **segmentation.seconds}.items()},
        warnings=(*heard, *segmentation.warnings),
        maps=question.maps,
        expected_dice={k: round(v, 4) for k, v in segmentation.expected_dice.items()},
        sampled=segmentation.sampled and replace(segmentation.sampled, label_maps=()),
        samples=question.samples,
    )
