"""A run that was killed goes on as if nothing had happened: to the same bits."""

import csv
import math
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import parameters
from tests.training.tiny_run import SCHEDULE, a_loop, a_network, batches, validate
from verisim.errors import Cancelled, Conflict, StorageFailed
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.training.loop import Loop, Trained
from verisim.training.losses import dice_cross_entropy
from verisim.training.objectives import Naming

ROOT = Path(__file__).parents[2]


class StopAt:
    """Progress that cancels before a step, and keeps what it hears."""

    def __init__(self, step: int = -1) -> None:
        self.step = step
        self.heard: list[int] = []

    def advance(self, done: int, total: int, message: str = "") -> None:
        self.heard.append(done)
        if done == self.step:
            raise Cancelled("Stopped.")


def run(folder: Path, progress: StopAt | None = None) -> Trained:
    """Train from the beginning or the checkpoint."""
    return a_loop(folder).run(batches(), validate, progress or StopAt())


def curves(folder: Path) -> list[list[str]]:
    """Every line without its last column, the seconds."""
    with (folder / "curves.csv").open(newline="") as file:
        return [line[:-1] for line in csv.reader(file)]


def assert_equal(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """The same names and the same bits."""
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    """What the run comes to when nobody disturbs it."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return run(folder), folder


def assert_as_uninterrupted(
    trained: Trained, folder: Path, uninterrupted: tuple[Trained, Path]
) -> None:
    """Best weights, last weights, curves: all exactly equal."""
    expected, its_folder = uninterrupted
    assert (trained.score, trained.iteration) == (expected.score, expected.iteration)
    assert_equal(trained.weights, expected.weights)
    assert curves(folder) == curves(its_folder)
    last, its_last = (a_loop(path) for path in (folder, its_folder))
    last.resume(), its_last.resume()
    assert_equal(weights_of(last.network), weights_of(its_last.network))
    assert_equal(weights_of(last.average), weights_of(its_last.average))


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_exactly_as_an_uninterrupted_one(
    tmp_path: Path, uninterrupted: tuple[Trained, Path]
) -> None:
    # in the middle of a period, of a checkpoint; between curve and checkpoint; before the curve
    for when in ("9", "saving", "moving-2", "moving-1"):
        command = [sys.executable, "-m", "tests.training.tiny_run", str(tmp_path), when]
        killed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
        assert saved["iteration"] == 6
    assert_as_uninterrupted(run(tmp_path), tmp_path, uninterrupted)


@pytest.mark.parametrize("step", [3, 6, 23])
def test_a_cancelled_run_goes_on_from_its_checkpoint(
    tmp_path: Path, uninterrupted: tuple[Trained, Path], step: int
) -> None:
    with pytest.raises(Cancelled):
        run(tmp_path, StopAt(step))
    again = StopAt()
    trained = run(tmp_path, again)
    assert again.heard == list(range(step - step % 6, 25))
    assert_as_uninterrupted(trained, tmp_path, uninterrupted)


def test_a_full_disk_leaves_the_last_checkpoint(
    tmp_path: Path, uninterrupted: tuple[Trained, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Cancelled):
        run(tmp_path, StopAt(7))

    def full_disk(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full_disk)
        with pytest.raises(StorageFailed, match="No space left"):
            run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "curves.csv"]
    assert_as_uninterrupted(run(tmp_path), tmp_path, uninterrupted)


def test_a_finished_run_is_not_trained_again(uninterrupted: tuple[Trained, Path]) -> None:
    expected, folder = uninterrupted
    watched = StopAt()
    again = run(folder, watched)
    assert watched.heard == [24]
    assert_equal(again.weights, expected.weights)
    assert again.seconds == expected.seconds


def test_another_seed_trains_other_weights(
    tmp_path: Path, uninterrupted: tuple[Trained, Path]
) -> None:
    short = replace(SCHEDULE, seed=6)
    other = a_loop(tmp_path, short).run(batches(short), validate)
    differing = [not torch.equal(other.weights[k], w) for k, w in uninterrupted[0].weights.items()]
    assert sum(differing) > len(differing) / 2


def test_a_checkpoint_of_another_network_is_refused(
    uninterrupted: tuple[Trained, Path], tmp_path: Path
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes((uninterrupted[1] / "checkpoint.pt").read_bytes())
    wider = UNet((4, 6), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3),) * 2, 1).build(1, 3)
    with pytest.raises(Conflict, match="another network"):
        Loop(wider, Naming(dice_cross_entropy()), SCHEDULE, tmp_path).resume()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 half an archive"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(Conflict, match="damaged"):
        a_loop(tmp_path).resume()


def test_a_checkpoint_between_validations_keeps_the_curve(
    tmp_path: Path, uninterrupted: tuple[Trained, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("verisim.training.loop.CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(Cancelled):
            run(tmp_path, StopAt(9))
    again = StopAt()
    trained = run(tmp_path, again)
    assert again.heard[0] == 9
    assert_as_uninterrupted(trained, tmp_path, uninterrupted)


@pytest.mark.parametrize("decay", ["poly", "cosine"])
def test_the_learning_rate_rises_then_falls_to_zero(
    tmp_path: Path, decay: Literal["poly", "cosine"]
) -> None:
    loop = a_loop(tmp_path, replace(SCHEDULE, decay=decay))
    rates = []
    for step in range(SCHEDULE.iterations):
        rates.append(loop.pace.get_last_lr()[0])
        loop.step(batches()(step))
    assert rates[0] == pytest.approx(SCHEDULE.learning_rate / 3)
    assert rates[:3] == sorted(rates[:3])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert loop.pace.get_last_lr()[0] == pytest.approx(0, abs=1e-9)


def test_the_best_weights_are_kept_not_the_last(tmp_path: Path) -> None:
    scores = iter([0.2, 0.9, 0.9, 0.1])
    seen: list[dict[str, Tensor]] = []

    def scripted(network: nn.Module) -> float:
        seen.append(weights_of(network))
        return next(scores)

    trained = a_loop(tmp_path).run(batches(), scripted)
    # the averages are 0.2, 0.27, 0.333 and 0.3097 (nnU-Net's weights 0.9 and 0.1)
    assert (trained.score, trained.iteration) == (0.9, 18)
    assert trained.average_score == pytest.approx(0.333)
    assert_equal(trained.weights, seen[2])
    assert [line[3] for line in curves(tmp_path)[1:]] == [
        "0.200000",
        "0.900000",
        "0.900000",
        "0.100000",
    ]


def test_the_averaged_weights_are_those_that_are_validated(tmp_path: Path) -> None:
    # a moving average that never moves stays where the first step brought it
    loop = a_loop(tmp_path, replace(SCHEDULE, moving_average=1.0))
    seen: list[dict[str, Tensor]] = []

    def remember(network: nn.Module) -> float:
        seen.append(weights_of(network))
        return 0.5

    trained = loop.run(batches(), remember)
    assert_equal(seen[-1], seen[0])
    assert_equal(trained.weights, seen[0])
    last = weights_of(loop.network)
    assert any(not torch.equal(last[name], seen[0][name]) for name in last)


def test_a_tiny_network_learns_two_cases_by_heart(tmp_path: Path) -> None:
    schedule = replace(
        SCHEDULE, iterations=150, learning_rate=2e-2, moving_average=0.9, validate_every=75
    )
    trained = a_loop(tmp_path, schedule).run(batches(schedule), validate)
    assert trained.score > 0.9
    assert math.isfinite(trained.seconds)
    assert parameters(a_network()) < 10_000
