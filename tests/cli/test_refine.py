"""`verisim refine`: clicks as options, a label map out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import LABELS, Command
from verisim import files
from verisim.card import ModelCard
from verisim.volume import LabelMap


@pytest.fixture
def drawn(a_case: Path, tmp_path: Path) -> Path:
    """A label map of a person, on the voxels of the case."""
    volume = files.read(a_case)
    array = np.zeros(volume.spatial_shape, np.uint8)
    array[4:9, 5:12, 4:10], array[9:14, 5:12, 4:10] = 1, 2
    files.write(tmp_path / "drawn.nii.gz", LabelMap(array, volume.affine, LABELS))
    return tmp_path / "drawn.nii.gz"


def place(path: Path, *voxel: int) -> str:
    """RAS mm of a voxel, as a person writes it."""
    return ",".join(f"{mm:.3f}" for mm in (files.read(path).affine @ (*voxel, 1))[:3])


def test_a_label_map_is_corrected_by_clicks(
    verisim: Command, a_trained_model: ModelCard, a_case: Path, drawn: Path, output: Path
) -> None:
    label = output / "label.nii.gz"
    where = ("--model", "tiny", "--models", a_trained_model.folder)
    clicks = ("--click", f"{place(a_case, 6, 13, 6)}=anterior")
    clicks += ("--not", f"{place(a_case, 11, 6, 6)}=posterior")
    run = verisim("refine", a_case, drawn, "-o", label, *where, *clicks, "--json")
    assert run.code == 0
    assert len(run.facts["clicks"]) == 2
    found = files.read_label_map(label, LABELS)
    assert found.array[6, 13, 6] == 1
    assert found.array[11, 6, 6] != 2
    assert found.shares_grid(files.read(a_case))


def test_a_models_answer_is_corrected_and_without_clicks_stays(
    verisim: Command, a_trained_model: ModelCard, a_case: Path, output: Path
) -> None:
    where = ("--model", "tiny", "--models", a_trained_model.folder)
    plain, same, other = (output / f"{name}.nrrd" for name in ("plain", "same", "other"))
    assert verisim("segment", a_case, "-o", plain, *where).code == 0
    assert verisim("refine", a_case, "-o", same, *where).code == 0
    before = files.read_label_map(plain, LABELS).array
    np.testing.assert_array_equal(files.read_label_map(same, LABELS).array, before)
    name = "posterior" if before[9, 9, 9] != 2 else "anterior"
    click = f"{place(a_case, 9, 9, 9)}={name}"
    run = verisim("refine", a_case, "-o", other, *where, "--click", click)
    assert run.code == 0
    assert "1 click(s)" in run.out
    assert files.read_label_map(other, LABELS).array[9, 9, 9] == LABELS[name]


@pytest.mark.parametrize(
    ("click", "said"),
    [
        ("1,2=anterior", "no click"),
        ("a,b,c=anterior", "no click"),
        ("1,2,3", "names no label"),
        ("9000,0,0=anterior", "outside the volume"),
        ("INSIDE=heart", "no label 'heart'"),
    ],
)
def test_what_is_no_click_is_refused(
    verisim: Command,
    a_trained_model: ModelCard,
    a_case: Path,
    drawn: Path,
    output: Path,
    click: str,
    said: str,
) -> None:
    where = ("--model", "tiny", "--models", a_trained_model.folder)
    click = click.replace("INSIDE", place(a_case, 3, 3, 3))
    run = verisim("refine", a_case, drawn, "-o", output / "x.nrrd", *where, "--click", click)
    assert run.code == 2
    assert said in " ".join(run.err.split())
    assert not (output / "x.nrrd").exists()


def test_an_input_is_never_replaced(
    verisim: Command, a_trained_model: ModelCard, a_case: Path, drawn: Path
) -> None:
    where = ("--model", "tiny", "--models", a_trained_model.folder)
    before = drawn.read_bytes()
    assert verisim("refine", a_case, drawn, "-o", drawn, *where).code == 2
    assert drawn.read_bytes() == before
