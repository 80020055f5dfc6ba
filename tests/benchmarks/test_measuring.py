"""Time and memory of a process and all that it starts."""

import sys
from math import isnan
from pathlib import Path

import psutil
import pytest

from beside_nnunet.measuring import measured, timed, tree_mb

HOLD_64_MB = "import sys, time; block = bytearray(b'x' * 2**26); time.sleep(float(sys.argv[1]))"


def test_memory_of_children_counts(tmp_path: Path) -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD_64_MB!r}, '1'])"
    run = measured([sys.executable, "-c", parent], tmp_path / "log", watched=True)
    assert run.peak_mb > 64


def test_a_run_that_nobody_watches_has_no_peak(tmp_path: Path) -> None:
    run = measured([sys.executable, "-c", "print('said')"], tmp_path / "log")
    assert isnan(run.peak_mb)
    assert run.seconds > 0
    assert run.cpu_seconds > 0
    assert (tmp_path / "log").read_text() == "said\n"


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with pytest.raises(SystemExit, match="no such model"):
        measured(command, tmp_path / "log")


def test_a_process_that_ended_needs_no_memory() -> None:
    process = psutil.Popen([sys.executable, "-c", ""])
    process.wait()
    assert tree_mb(process) == 0.0


def test_work_in_this_process_returns_its_answer() -> None:
    answer, run = timed(lambda: sum(range(1000)))
    assert answer == 499500
    assert run.seconds > 0
