"""`verisim`, `verisim models` and `verisim doctor`: what there is, and what does not fit."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.cli.conftest import Command, in_a_process
from tests.samples import IMAGE
from verisim import __version__
from verisim.card import ModelCard

COMMANDS = ("segment", "train", "evaluate", "models", "serve", "doctor")


def test_the_program_alone_shows_its_commands(verisim: Command) -> None:
    run = verisim()
    assert run.code == 0
    for command in (*COMMANDS, "data"):
        assert command in run.out


@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), ("data", "hippocampus")])
def test_every_command_explains_itself_and_offers_json(
    verisim: Command, command: tuple[str, ...]
) -> None:
    run = verisim(*command, "--help")
    assert run.code == 0
    assert "--json" in run.out
    assert verisim(*command, "-h").out == run.out


def test_data_alone_shows_the_data_sets(verisim: Command) -> None:
    run = verisim("data")
    assert run.code == 0
    assert "hippocampus" in run.out


def test_the_version_is_that_of_the_package(verisim: Command) -> None:
    assert verisim("--version").out == f"verisim {__version__}\n"
    assert metadata.version("verisim") == __version__


def test_help_loads_neither_torch_nor_monai() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "verisim.cli", "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|")[-1].strip() for line in run.stderr.splitlines()}
    assert "verisim.cli" in loaded
    assert not loaded & {"torch", "monai", "nibabel", "scipy", "numpy", "matplotlib"}


def test_segmenting_does_not_wait_for_what_only_measuring_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "verisim.cli", "segment"]
    command += [str(IMAGE), "-o", str(tmp_path / "label.nii.gz")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|")[-1].strip() for line in run.stderr.splitlines()}
    assert "verisim.patches" in loaded
    assert not loaded & {"monai", "pandas", "scipy.stats", "batchgeneratorsv2"}


def test_models_tell_what_they_were_trained_on(
    verisim: Command, models: Path, a_trained_model: ModelCard
) -> None:
    cards = {c["name"]: c for c in verisim("models", "--models", models, "--json").facts["models"]}
    shipped = {"", "-clicks", "-diffusion", "-diffusion-fast", "-medsegdiff"}
    shipped |= {"-stylegan", "-unet"}
    assert set(cards) == {
        "tiny",
        "random-contrast",
        *(f"hippocampus{ending}" for ending in shipped),
    }
    assert cards["hippocampus-diffusion"]["kind"] == "synthesis"
    assert cards["hippocampus-clicks"]["kind"] == "refinement"
    assert cards["tiny"]["training"]["licence"] == "CC0"
    assert cards["tiny"]["labels"] == {"anterior": 1, "posterior": 2}
    assert cards["tiny"]["figures"] == {"dice.val": 0.5}
    assert cards["hippocampus-unet"]["training"]["data"]


def test_the_list_of_models_fits_80_columns(verisim: Command, models: Path) -> None:
    run = verisim("models", "--models", models)
    assert max(len(line) for line in run.out.splitlines()) <= 80
    for word in ("tiny v1", "1 anterior, 2 posterior", "drawn cases, 2 cases", "dice.val 0.5"):
        assert word in run.out


def test_doctor_finds_versions_memory_and_models(verisim: Command, models: Path) -> None:
    facts = verisim("doctor", "--models", models, "--json").facts
    assert facts["versions"]["torch"] == metadata.version("torch")
    processor = facts["devices"][0]
    assert processor["name"].startswith("cpu")
    assert 0 < processor["free_gib"] <= processor["total_gib"]
    assert "tiny v1" in facts["models"]


def test_doctor_names_what_clashes_and_how_to_mend_it(
    verisim: Command, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "0.1" if n == "nibabel" else true(n))
    facts = verisim("doctor", "--models", models, "--json").facts
    (finding,) = [f for f in facts["findings"] if "nibabel" in f["what"]]
    assert finding["what"] == "nibabel 0.1"
    assert "pip install 'nibabel>=" in finding["remedy"]
    in_words = verisim("doctor", "--models", models).out
    assert "! nibabel 0.1. verisim needs nibabel>=" in in_words
    assert "fits together" not in in_words


def test_doctor_prints_one_json_object_alone(models: Path) -> None:
    run = in_a_process("doctor", "--models", models, "--json")
    assert run.code == 0
    assert run.facts.keys() == {"versions", "devices", "models", "findings"}
    assert run.err == ""
