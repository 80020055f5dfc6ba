"""An audit of folders: everything that would spoil it is refused, and nothing may change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

from tests.audit.sets import Pearson
from verisim.audit.folder_audit import FolderAudit, Source
from verisim.audit.planting import KINDS
from verisim.audit.strata import StratumRule
from verisim.audit.verdicts import Policy
from verisim.errors import BadDataset, BadInput, Cancelled

PATIENT = r"(\w+)-\d+"


def write_slices(folder: Path, name: str, patients: int, each: int, seed: int) -> Path:
    """Pictures NAME_PATIENT-SLICE.png of random patients."""
    folder.mkdir()
    draw = np.random.default_rng(seed)
    for k in range(patients):
        own = draw.normal(size=(12, 12))
        for j in range(each):
            picture = 128 + 30 * (own + 0.5 * draw.normal(size=own.shape))
            path = folder / f"{name}_{k}-{j}.png"
            imsave(path, picture.clip(0, 255).astype(np.uint8), check_contrast=False)
    return folder


@pytest.fixture
def asked(tmp_path: Path) -> FolderAudit:
    """25 training and 20 held-out patients with two slices each, and 12 synthetic ones."""
    return FolderAudit(
        Source(write_slices(tmp_path / "known", "t", 25, 2, 0), subject_pattern=PATIENT),
        Source(write_slices(tmp_path / "others", "h", 20, 2, 1), subject_pattern=PATIENT),
        Source(write_slices(tmp_path / "made", "s", 12, 1, 2)),
        StratumRule(pattern=r"-(\d+)", parts=0),
        Policy(plants=3),
        kinds=KINDS[:2],
        work=tmp_path / "work",
    )


def test_folders_of_slices_are_audited_stratum_by_stratum(asked: FolderAudit) -> None:
    report = asked(measures=[Pearson()]).report
    assert report.word == "pass"
    assert {stratum.name for stratum in report.strata} == {"0", "1"}
    assert {stratum.held_out_patients for stratum in report.strata} == {20}
    assert (report.training.cases, report.training.patients) == (50, 25)
    assert report.model_side is not None
    assert report.model_side.sets is not None


def test_a_copied_picture_is_named(asked: FolderAudit) -> None:
    picture = asked.training.folder / "t_3-0.png"
    (asked.synthetic.folder / "s_99-0.png").write_bytes(picture.read_bytes())
    report = asked(measures=[Pearson()]).report
    assert report.word == "block"
    assert report.cases[0].name == "s_99-0"
    assert report.cases[0].sight.nearest == "t_3-0"


def test_a_training_folder_that_changes_meanwhile_is_refused_by_name(asked: FolderAudit) -> None:
    picture = asked.training.folder / "t_3-0.png"

    class Meddler:
        def advance(self, done: int, total: int, message: str = "") -> None:
            if message == "pearson":
                imsave(picture, np.eye(12, dtype=np.uint8) * 99, check_contrast=False)

    with pytest.raises(BadDataset, match="t_3-0 changed"):
        asked(Meddler(), measures=[Pearson()])


def test_one_that_changed_since_a_stopped_audit_began_is_refused_by_name(
    asked: FolderAudit,
) -> None:
    class Impatient:
        def advance(self, done: int, total: int, message: str = "") -> None:
            if message == "pearson":
                raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        asked(Impatient(), measures=[Pearson()])
    imsave(asked.training.folder / "t_3-0.png", np.eye(12, dtype=np.uint8), check_contrast=False)
    with pytest.raises(BadDataset, match="t_3-0 is not what it was"):
        asked(measures=[Pearson()])


def test_too_few_held_out_patients_are_refused_before_anything_is_read(
    asked: FolderAudit, tmp_path: Path
) -> None:
    few = Source(write_slices(tmp_path / "few", "f", 18, 2, 5), subject_pattern=PATIENT)
    with pytest.raises(BadInput, match="18 held-out"):
        replace(asked, held_out=few)(measures=[Pearson()])
    with pytest.raises(BadDataset, match="both in training and in held out"):
        replace(asked, held_out=asked.training)(measures=[Pearson()])


def test_few_held_out_patients_are_enough_beside_stand_ins(
    asked: FolderAudit, tmp_path: Path
) -> None:
    few = Source(write_slices(tmp_path / "few", "f", 3, 2, 5), subject_pattern=PATIENT)
    report = replace(asked, held_out=few, stand_in=True)(measures=[Pearson()]).report
    assert report.strata[0].held_out_patients == 28
    assert report.stand_ins == 25
