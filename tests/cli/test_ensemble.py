"""`verisim ensemble`: folds become one model, measured on request."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command
from verisim import files
from verisim.card import ModelCard, write_model
from verisim.installed import find_card
from verisim.networks.weights import weights_of
from verisim.training.augmentation import seeded


@pytest.fixture
def two(a_card: ModelCard, tmp_path: Path) -> Path:
    """A folder with two trained models."""
    for seed, name in enumerate(("one", "two")):
        card = replace(a_card, name=name, mirrored_axes=(0,))
        with seeded(seed):
            write_model(card, weights_of(card.build()), tmp_path / "two")
    return tmp_path / "two"


def test_two_models_become_one_that_is_measured_and_segments(
    verisim: Command, two: Path, a_dataset: Path, output: Path
) -> None:
    run = verisim(
        *("ensemble", "both", "one", "two", "--mirror", "--half", "--models", two),
        *("--dataset", a_dataset, "--json"),
    )
    assert run.code == 0
    assert run.facts["model"]["members"] == 2
    assert run.facts["model"]["mirroring"] is True
    assert "dice.val.anterior" in run.facts["model"]["figures"]
    assert find_card("both", two).figures == run.facts["model"]["figures"]
    image = a_dataset / "imagesTr" / "s3_a.nii.gz"
    answer = ("-o", output / "label.nii.gz", "--model", "both", "--models", two)
    assert verisim("segment", image, *answer).code == 0


def test_mirroring_can_be_left_out_of_a_segmentation(
    verisim: Command, two: Path, a_dataset: Path, output: Path
) -> None:
    image = a_dataset / "imagesTr" / "s3_a.nii.gz"
    arrays = []
    for choice in ("--mirror", "--no-mirror"):
        path = output / f"{choice.strip('-')}.nii.gz"
        asked = ("--model", "one", "--models", two, choice)
        assert verisim("segment", image, "-o", path, *asked).code == 0
        arrays.append(files.read_label_map(path).array)
    assert not np.array_equal(*arrays)


def test_a_name_that_is_taken_is_refused(verisim: Command, two: Path) -> None:
    run = verisim("ensemble", "one", "one", "two", "--models", two)
    assert run.code == 2
    assert "There is a model one already" in run.err


def test_an_unknown_member_is_named(verisim: Command, two: Path) -> None:
    run = verisim("ensemble", "both", "one", "three", "--models", two)
    assert run.code == 2
    assert "three" in run.err
    assert not (two / "both-v1.toml").exists()
