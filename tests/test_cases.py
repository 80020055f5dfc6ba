"""From questions to answers on the disk, one case after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest

from verisim import files
from verisim.card import ModelCard
from verisim.cases import segment_cases
from verisim.errors import Cancelled, StorageFailed, UnsupportedVolume
from verisim.progress import SILENT, Progress
from verisim.questions import Question, Wish, plan_questions
from verisim.segmentation import Segmentation
from verisim.volume import LabelMap, Volume


@dataclass(frozen=True)
class Threshold:
    """Calls everything above 100 anterior; refuses volumes without it; watches 4 steps."""

    card: ModelCard

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        for done in range(5):
            progress.advance(done, 4, "steps")
        array = (volume.array > 100).astype(np.uint8)
        if not array.any():
            raise UnsupportedVolume("Nothing is brighter than 100.", "Turn the light on.")
        label_map = LabelMap(array, volume.affine, self.card.labels)
        return Segmentation(label_map, 0.9, {"network": 0.0}, ("Only a threshold.",))


@pytest.fixture
def segmenter(a_card: ModelCard) -> Threshold:
    """Answers in no time."""
    return Threshold(a_card)


@pytest.fixture
def folder(tmp_path: Path, a_volume: Volume) -> Path:
    """Three cases, the second of them dark."""
    made = tmp_path / "images"
    made.mkdir()
    for k, name in enumerate(("a", "b", "c")):
        files.write(made / f"{name}.nii.gz", a_volume.apply(lambda x, k=k: x * (k != 1)))
    return made


def test_an_answer_tells_what_was_written(
    segmenter: Threshold, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "label.nii.gz"
    (answer,) = segment_cases(segmenter, [Question("a", (folder / "a.nii.gz",), output)])
    written = files.read_label_map(output, segmenter.card.labels)
    assert written.shares_grid(files.read(folder / "a.nii.gz"))
    assert answer.volumes_ml == pytest.approx(written.volumes_ml, abs=1e-4)
    assert answer.output == output
    assert answer.warnings == ("Only a threshold.",)
    assert answer.certainty == 0.9
    assert answer.stages.keys() == {"reading", "network", "writing"}
    assert answer.error is None


def test_warnings_of_the_readers_come_before_those_of_the_model(
    segmenter: Threshold, folder: Path, tmp_path: Path
) -> None:
    image = nibabel.load(folder / "a.nii.gz")
    image.set_qform(np.diag([1, 1, 2, 1.0]), code=1)
    nibabel.save(image, folder / "a.nii.gz")
    question = Question("a", (folder / "a.nii.gz",), tmp_path / "label.nii.gz")
    (answer,) = segment_cases(segmenter, [question])
    assert "qform and sform" in answer.warnings[0]
    assert answer.warnings[1:] == ("Only a threshold.",)


def test_of_several_cases_one_that_fails_does_not_stop_the_rest(
    segmenter: Threshold, folder: Path, tmp_path: Path
) -> None:
    questions = plan_questions([folder], Wish(tmp_path / "out"), 1)
    first, dark, last = segment_cases(segmenter, questions)
    assert dark.error is not None
    assert (dark.error.code, dark.error.message) == (
        "unsupported_volume",
        "Nothing is brighter than 100.",
    )
    assert dark.error.remedy == "Turn the light on."
    assert first.error is last.error is None
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.nii.gz", "c.nii.gz"}


def test_the_only_case_raises_its_error(
    segmenter: Threshold, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedVolume, match="brighter"):
        segment_cases(segmenter, [Question("b", (folder / "b.nii.gz",), tmp_path / "x.nrrd")])
    assert not (tmp_path / "x.nrrd").exists()


def test_a_disk_that_refuses_stops_all(segmenter: Threshold, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.nii.gz").mkdir()  # a folder where the file should be
    question = Question("a", (folder / "a.nii.gz",), tmp_path / "out" / "a.nii.gz")
    after = Question("c", (folder / "c.nii.gz",), tmp_path / "out" / "c.nii.gz")
    with pytest.raises(StorageFailed):
        segment_cases(segmenter, [question, after])
    assert not (tmp_path / "out" / "c.nii.gz").exists()


def test_progress_rises_through_all_cases_and_names_them(
    segmenter: Threshold, folder: Path, tmp_path: Path
) -> None:
    heard: list[tuple[float, str]] = []

    class Watcher:
        def advance(self, done: int, total: int, message: str = "") -> None:
            heard.append((done / total, message))

    questions = plan_questions([folder], Wish(tmp_path / "out"), 1)
    segment_cases(segmenter, questions, progress=Watcher())
    shares = [share for share, _ in heard]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert heard[-1][1] == "c steps 4/4"


def test_cancelling_keeps_what_was_finished(
    segmenter: Threshold, folder: Path, tmp_path: Path
) -> None:
    class Impatient:
        def advance(self, done: int, total: int, message: str = "") -> None:
            if message.startswith("c"):
                raise Cancelled("Stopped.")

    questions = plan_questions([folder], Wish(tmp_path / "out"), 1)
    with pytest.raises(Cancelled):
        segment_cases(segmenter, questions, progress=Impatient())
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.nii.gz"]
