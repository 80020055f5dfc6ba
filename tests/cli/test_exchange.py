"""`verisim import-nnunet` and `verisim export-nnunet`."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Command, in_a_process, listing
from tests.exchange.folders import Folder
from tests.exchange.test_checkpoint import HIDDEN, Evil
from verisim.card import ModelCard, write_model
from verisim.installed import find_card
from verisim.networks.weights import weights_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As nnU-Net wrote it."""
    made = Folder(folds=("fold_0", "fold_1"))
    return made.write(tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder for models that does not exist yet."""
    return tmp_path / "mine"


def test_an_imported_model_is_installed(verisim: Command, folder: Path, mine: Path) -> None:
    run = verisim("import-nnunet", folder, "--models", mine, "--json")
    assert run.code == 0
    assert run.facts["folds"] == ["fold_0", "fold_1"]
    card = find_card("dataset123-boxes-3d-fullres", mine)
    assert card.members == 2
    assert card.load() is not None
    assert "dataset123-boxes-3d-fullres" in verisim("models", "--models", mine).out


def test_a_second_import_is_the_next_version(verisim: Command, folder: Path, mine: Path) -> None:
    for version in (1, 2):
        run = verisim("import-nnunet", folder, "--models", mine, "--name", "boxes", "--folds", "1")
        assert run.code == 0
        assert f"boxes v{version}" in run.out
        assert "networks: 1 (fold_1)" in run.out
    assert find_card("boxes", mine).version == 2


def test_a_cascade_is_imported_stage_by_stage(
    verisim: Command, folder: Path, mine: Path, tmp_path: Path
) -> None:
    second = Folder(previous="3d_lowres").write(tmp_path / "second")
    alone = verisim("import-nnunet", second, "--models", mine, "--json")
    assert alone.code == 2
    assert alone.facts["error"]["code"] == "unsupported_model"
    assert verisim("import-nnunet", folder, "--models", mine, "--name", "first").code == 0
    options = ("--models", mine, "--previous", "first", "--licence", "CC0", "--json")
    facts = verisim("import-nnunet", second, *options).facts
    assert facts["model"]["previous"] == "first"
    assert facts["model"]["training"]["licence"] == "CC0"


@pytest.mark.parametrize("hide", HIDDEN, ids=lambda hide: hide.__name__)
def test_a_checkpoint_with_a_hidden_command_is_refused(
    hide: object, verisim: Command, folder: Path, mine: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "has-run"
    assert callable(hide)
    hide(Evil(os.system, f"touch {trace}"), folder / "fold_1" / "checkpoint_final.pth")
    run = verisim("import-nnunet", folder, "--models", mine, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "unsafe_checkpoint"
    assert not trace.exists()
    assert not mine.exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--folds", "7"), "not_found"),
        (("--folds", "0,../1"), "bad_input"),
        (("--checkpoint", "checkpoint_best.pth"), "not_found"),
        (("--checkpoint", "../checkpoint_final.pth"), "bad_input"),
        (("--previous", "unknown"), "not_found"),
        (("--name", "Not A Name"), "bad_card"),
    ],
)
def test_a_wrong_option_of_the_import_is_refused(
    options: tuple[str, ...], code: str, verisim: Command, folder: Path, mine: Path
) -> None:
    run = verisim("import-nnunet", folder, "--models", mine, "--json", *options)
    assert run.code == 2
    assert run.facts["error"]["code"] == code
    assert not mine.exists()


def test_an_exported_model_comes_with_the_command_that_runs_it(
    verisim: Command, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "folder"
    run = verisim("export-nnunet", "tiny", out, "--models", models)
    assert run.code == 0
    assert f"nnUNetv2_predict_from_modelfolder -i IMAGES -o LABELS -m {out} -f 0" in run.out
    assert "border of zeros" in run.err
    back = verisim("import-nnunet", out, "--models", tmp_path / "mine", "--json").facts
    assert back["model"]["training"]["data"] == "drawn cases"
    again = verisim("export-nnunet", "tiny", out, "--models", models, "--json")
    assert again.code == 2
    assert again.facts["error"]["code"] == "conflict"


def test_an_ensemble_is_not_exported(verisim: Command, a_card: ModelCard, tmp_path: Path) -> None:
    card = replace(a_card, name="both", ensemble=("tiny", "tiny"))
    models = write_model(card, weights_of(card.build()), tmp_path / "models").folder
    run = verisim("export-nnunet", "both", tmp_path / "out", "--models", models, "--json")
    assert run.code == 2
    assert run.facts["error"]["code"] == "unsupported_model"


def test_a_full_disk_leaves_no_half_a_folder(models: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = ("export-nnunet", "tiny", tmp_path / "out" / "folder", "--models", models, "--json")
    run = in_a_process(*command, preexec=full)
    assert run.code == 2
    assert run.facts["error"]["code"] == "storage_failed"
    assert listing(tmp_path / "out") == {}


def test_a_checkpoint_of_another_program_is_refused(
    verisim: Command, folder: Path, mine: Path
) -> None:
    torch.save({"state_dict": {}}, folder / "fold_0" / "checkpoint_final.pth")
    run = verisim("import-nnunet", folder, "--models", mine, "--json")
    assert run.facts["error"]["code"] == "unsupported_model"
    assert not mine.exists()
