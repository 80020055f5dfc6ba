"""How jobs, memory and label maps are measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from serving_jobs.bounded import OutOfTime, TimeIsUp, bounded, until
from serving_jobs.client import Job
from serving_jobs.material import ONE, tiled, voxel_hash
from serving_jobs.steps import Course, Look
from serving_jobs.watching import Memory, at_rest, held, percentile
from verisim.errors import BadInput

START = "2026-01-31T09:00:00.000Z"
END = "2026-01-31T09:00:20.000Z"
AT = 1769850000.0
"""The start, in seconds."""


@pytest.fixture
def a_course() -> Course:
    """A job of twenty seconds that said at half time that it needs nine more."""
    looks = [Look(AT + 5, 25, None), Look(AT + 10, 50, 9.0), Look(AT + 15, 75, 5.0)]
    return Course(looks, Job({"id": "a", "state": "done", "started": START, "ended": END}))


def test_a_course_tells_its_steps(a_course: Course) -> None:
    assert a_course.seconds == 20
    assert a_course.steps == pytest.approx([5, 5, 5, 5])


def test_what_was_said_at_half_time_stands_beside_the_truth(a_course: Course) -> None:
    assert a_course.forecast() == pytest.approx((9, 10))


def test_a_course_that_never_told_has_no_forecast(a_course: Course) -> None:
    silent = [Look(look.at, look.percent, None) for look in a_course.looks]
    with pytest.raises(ValueError, match="Nothing"):
        Course(silent, a_course.job).forecast()


def test_a_percent_that_falls_is_found(a_course: Course) -> None:
    assert a_course.rises
    assert not Course([*a_course.looks, Look(AT + 16, 70, 5.0)], a_course.job).rises


def test_memory_at_rest_is_that_of_the_process() -> None:
    process = psutil.Process()
    assert at_rest(process, 0.1) == pytest.approx(process.memory_info().rss / 2**20, rel=0.2)


def test_a_percentile_is_one_of_the_values() -> None:
    values = list(range(1, 101))
    assert [percentile(values, p) for p in (0, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0


def test_memory_of_a_process_is_seen_while_the_block_runs() -> None:
    with Memory(psutil.Process()) as memory:
        until(lambda: len(memory.seen), lambda n: n >= 2, 10)
    assert min(memory.seen) > 1


def test_a_process_that_is_started_is_held() -> None:
    before = held(psutil.Process())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert held(psutil.Process()).children == before.children + 1
        assert held(psutil.Process()).open_files > before.open_files
    finally:
        child.communicate(b"\n")


def test_a_block_ends_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(OutOfTime), bounded(0.1):
        time.sleep(10)
    assert time.monotonic() - began < 5


def test_a_block_ends_by_sigterm_as_by_ctrl_c() -> None:
    ended = False
    try:
        with bounded(10):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
    except KeyboardInterrupt:
        ended = True
    assert ended


def test_what_never_comes_is_not_waited_for_for_ever() -> None:
    with pytest.raises(TimeIsUp, match="still 1"):
        until(lambda: 1, lambda found: found == 2, 0.05)


def test_the_hash_of_voxels_does_not_depend_on_the_format(tmp_path: Path) -> None:
    hashes = {
        voxel_hash(tiled(tmp_path / f"a{suffix}", ONE).read_bytes(), suffix)
        for suffix in (".nii", ".nii.gz", ".nrrd")
    }
    assert len(hashes) == 1
    other = tiled(tmp_path / "b.nii", ONE, seed=1)
    assert voxel_hash(other.read_bytes(), ".nii") not in hashes


def test_half_a_file_has_no_hash(tmp_path: Path) -> None:
    content = tiled(tmp_path / "a.nii", ONE).read_bytes()
    with pytest.raises(BadInput):
        voxel_hash(content[: len(content) // 2], ".nii")
