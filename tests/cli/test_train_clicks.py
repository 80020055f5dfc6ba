"""`verisim train-clicks`, and what `verisim refine` then does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command
from tests.cli.test_refine import place
from verisim import files


@pytest.fixture
def trained(verisim: Command, models: Path, a_dataset: Path, tmp_path: Path) -> str:
    """The name of a click network of the model "tiny"."""
    run = verisim(
        *("train-clicks", a_dataset, "--name", "a-clicks", "--of", "tiny", "--iterations", 2),
        *("--models", models, "--run", tmp_path / "run", "--json"),
    )
    assert run.code == 0, run.err
    assert run.facts["model"]["kind"] == "refinement"
    return "a-clicks"


def test_it_is_listed_and_refines_unless_asked_otherwise(
    verisim: Command, models: Path, trained: str, a_case: Path, output: Path
) -> None:
    assert "refinement" in verisim("models", "--models", models).out
    click = f"{place(a_case, 6, 13, 6)}=anterior"
    asked = ("--model", "tiny", "--models", models, "--click", click, "--json")
    for method, told in (("auto", f"{trained} v1"), ("network", f"{trained} v1"), ("walker",) * 2):
        label = output / f"{method}.nii.gz"
        run = verisim("refine", a_case, "-o", label, *asked, "--by", method)
        assert run.facts["by"] == told
        assert files.read(label).array[6, 13, 6] == 1
    drawn = [files.read(output / f"{name}.nii.gz").array for name in ("auto", "network")]
    np.testing.assert_array_equal(*drawn)


def test_it_neither_segments_nor_is_fine_tuned(
    verisim: Command, models: Path, trained: str, a_case: Path, a_dataset: Path, output: Path
) -> None:
    asked = ("--models", models)
    run = verisim("segment", a_case, "-o", output / "x.nii.gz", "--model", trained, *asked)
    assert run.code == 2
    assert "refinement" in run.err
    run = verisim("train", a_dataset, "--from", trained, "--minutes", 1, *asked)
    assert run.code == 2
    assert "train-clicks" in run.err
    run = verisim("export-nnunet", trained, output / "exported", *asked)
    assert run.code == 2


def test_a_model_without_a_network_for_its_labels_is_refused_when_one_is_asked_for(
    verisim: Command, a_case: Path, two_channels: Path, output: Path
) -> None:
    run = verisim(
        *("refine", a_case, "-o", output / "x.nii.gz", "--model", "two"),
        *("--models", two_channels, "--by", "network"),
    )
    assert run.code == 2
    assert "train-clicks" in run.err
