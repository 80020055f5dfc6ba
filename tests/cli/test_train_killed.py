"""A training that is killed at any moment ends as one that nobody disturbed: to the same bits.

The tolerance is zero: on the processor, with the same number of threads.
"""

from __future__ import annotations

import csv
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.cli.conftest import COMMAND, environment
from tests.training.balls import write_balls
from tests.training.tiny_plan import write_plan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def command(a_dataset: Path, tmp_path: Path) -> list[str]:
    """A training of seconds with many checkpoints."""
    plan = write_plan(tmp_path / "tiny-plan.toml")
    words = ["train", a_dataset, "--name", "boxes", "--plan", plan]
    words += ["--iterations", 120, "--validate-every", 4]
    return [*COMMAND, *(str(word) for word in words)]


@pytest.fixture
def generator_command(tmp_path: Path) -> list[str]:
    """The training of a generator, of seconds, with many checkpoints."""
    write_balls(tmp_path / "balls", 9, 2)
    words = ["train-generator", tmp_path / "balls", "--name", "boxes"]
    words += ["--iterations", 24, "--validate-every", 2, "--device", "cpu"]
    return [*COMMAND, *(str(word) for word in words)]


def started(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """The training in a folder, as a program of its own."""
    places = ["--run", str(folder / "run"), "--models", str(folder / "models")]
    return subprocess.Popen(
        [*command, *places],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def curves(folder: Path) -> list[list[str]]:
    """Every line without its last column, the seconds."""
    with (folder / "run" / "curves.csv").open(newline="") as file:
        return [line[:-1] for line in csv.reader(file)]


def assert_nothing_is_half_written(folder: Path) -> None:
    """What has its final name can be read."""
    if (folder / "run" / "checkpoint.pt").exists():
        torch.load(folder / "run" / "checkpoint.pt", weights_only=True)
    if (folder / "run" / "curves.csv").exists():
        assert {len(line) for line in curves(folder)} == {5}
    for weights in (folder / "models").glob("*.safetensors"):
        load_file(weights)


def killed_after(process: subprocess.Popen[bytes], run: Path, seconds: float) -> bool:
    """Kill a training some time after its folder has appeared; whether it was still running."""
    while not run.is_dir() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    return process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("what", "longest"), [("command", 2.5), ("generator_command", 8.0)], ids=["unet", "generator"]
)
def test_a_training_killed_at_random_moments_has_the_curve_and_weights_of_an_undisturbed_one(
    what: str, longest: float, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    command: list[str] = request.getfixturevalue(what)
    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    assert started(command, calm).wait() == 0
    moments = np.random.default_rng(20).uniform(0.3, longest, 6)
    kills = 0
    for seconds in moments:
        process = started(command, disturbed)
        kills += killed_after(process, disturbed / "run", float(seconds))
        assert_nothing_is_half_written(disturbed)
        if (disturbed / "models" / "boxes-v1.toml").exists():
            break
    else:
        assert started(command, disturbed).wait() == 0
    assert kills >= 1
    assert curves(disturbed) == curves(calm)
    assert not list(disturbed.glob("*/.writing-*"))
    weights, expected = (
        load_file(folder / "models" / "boxes-v1.safetensors") for folder in (disturbed, calm)
    )
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
