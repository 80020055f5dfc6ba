"""The command line, run in this process and in its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import affine_of
from verisim import files
from verisim.card import ModelCard, write_model
from verisim.cli import main
from verisim.networks.weights import weights_of
from verisim.volume import LabelMap, Volume

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "verisim.cli")
LABELS = {"anterior": 1, "posterior": 2}
SHAPE = (18, 20, 16)


@dataclass(frozen=True)
class Run:
    """What a command left in the terminal."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        facts = json.loads(self.out)
        assert isinstance(facts, dict)
        return facts


Command = Callable[..., Run]


@pytest.fixture
def verisim(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Run a command in this process."""

    def run(*arguments: object) -> Run:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["verisim", *(str(a) for a in arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return Run(int(ended.value.code or 0), said.out, said.err)

    ending = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, ending)


def in_a_process(
    *arguments: object, timeout: float = 250, preexec: Callable[[], None] | None = None
) -> Run:
    """Run a command as a program of its own.

    Args:
        timeout: Seconds it may take.
        preexec: Runs in the new process, before the command.
    """
    command = [*COMMAND, *(str(a) for a in arguments)]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=timeout,
        preexec_fn=preexec,
    )
    assert "Traceback" not in ended.stderr
    return Run(ended.returncode, ended.stdout, ended.stderr)


def environment() -> dict[str, str]:
    """One thread, and no compiled files written on the way."""
    one = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **one}


def listing(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones included, with its content; folders end in /."""
    return {
        str(p.relative_to(folder)) + "/" * p.is_dir(): b"" if p.is_dir() else p.read_bytes()
        for p in sorted(folder.rglob("*"))
    }


def an_image(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Volume:
    """Two bright boxes in noise on a turned anisotropic grid; `a_truth` labels them."""
    array = np.random.default_rng(seed).normal(20, 4, shape).astype(np.float32)
    array[a_truth(shape).array == 1] += 60
    array[a_truth(shape).array == 2] += 120
    return Volume(array, affine_of((1.0, 1.1, 1.3), (5.0, -8.0, 30.0), degrees=12))


def a_truth(shape: tuple[int, int, int] = SHAPE) -> LabelMap:
    """The boxes of `an_image`."""
    array = np.zeros(shape, np.uint8)
    array[4:9, 5:14, 4:11] = 1
    array[9:14, 5:14, 4:11] = 2
    return LabelMap(array, affine_of((1.0, 1.1, 1.3), (5.0, -8.0, 30.0), degrees=12), LABELS)


@pytest.fixture
def models(a_trained_model: ModelCard) -> Path:
    """A folder with the untrained model "tiny"."""
    return a_trained_model.folder


@pytest.fixture
def two_channels(a_card: ModelCard, tmp_path: Path) -> Path:
    """A folder with the untrained model "two", which wants two channels."""
    card = replace(a_card, name="two", channels=("T1", "T2"))
    return write_model(card, weights_of(card.build()), tmp_path / "two").folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An empty folder for answers."""
    (tmp_path / "answers").mkdir()
    return tmp_path / "answers"


@pytest.fixture
def a_case(tmp_path: Path) -> Path:
    """One NIfTI file."""
    path = tmp_path / "images" / "case_1.nii.gz"
    path.parent.mkdir()
    files.write(path, an_image())
    return path


@pytest.fixture
def a_dataset(tmp_path: Path) -> Path:
    """Four cases of three subjects in the layout of the Medical Segmentation Decathlon."""
    return write_dataset(tmp_path / "Task04_Hippocampus")


def write_dataset(folder: Path, labels: tuple[str, ...] = ("Anterior", "Posterior")) -> Path:
    """Write it; subjects 1 and 2 train, subject 3 with two cases validates."""
    names = ["s1_a", "s2_a", "s3_a", "s3_b"]
    for made in ("imagesTr", "labelsTr"):
        (folder / made).mkdir(parents=True)
    for k, name in enumerate(names):
        files.write(folder / "imagesTr" / f"{name}.nii.gz", an_image(k))
        files.write(folder / "labelsTr" / f"{name}.nii.gz", a_truth())
    description = {
        "name": "Boxes",
        "licence": "CC0",
        "modality": {"0": "MRI"},
        "labels": {"0": "background"} | {str(k + 1): n for k, n in enumerate(labels)},
        "training": [
            {"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names
        ],
    }
    (folder / "dataset.json").write_text(json.dumps(description))
    (folder / "splits.json").write_text(json.dumps({"train": names[:2], "val": names[2:]}))
    return folder
