"""`verisim segment` when it is stopped, when the disk is full, and when the volume is huge."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.cli.conftest import COMMAND, an_image, environment, in_a_process, listing
from verisim import files

TINY = ("--model", "tiny", "--models")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_nothing_behind_while_the_bar_moves(
    models: Path, tmp_path: Path, output: Path, ending: signal.Signals
) -> None:
    image = tmp_path / "large.nii"
    files.write(image, an_image(shape=(240, 240, 240)))
    terminal, of_child = pty.openpty()
    command = [*COMMAND, "segment", image, "-o", output / "label.nii.gz", *TINY, models]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=of_child,
        env=environment() | {"TERM": "xterm"},
        preexec_fn=hearing_interrupts,
    ) as process:
        os.close(of_child)
        seen = b""
        while b" patches 2" not in seen:  # 2 thousand or 20 thousand of 27,000
            seen += os.read(terminal, 4096)
        process.send_signal(ending)
        assert process.wait(60) == {signal.SIGINT: 130, signal.SIGTERM: 143}[ending]
    os.close(terminal)
    assert listing(output) == {}


def hearing_interrupts() -> None:
    """What is started in the background of a shell would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd"])
def test_a_full_disk_is_named_and_an_older_answer_is_intact(
    models: Path, a_case: Path, output: Path, suffix: str
) -> None:
    answer = output / f"label{suffix}"
    answer.write_bytes(b"older")
    run = in_a_process(
        "segment", a_case, "-o", answer, *TINY, models, "--json", preexec=no_room_for_files
    )
    assert run.code == 2
    assert run.facts["error"]["code"] == "storage_failed"
    assert listing(output) == {answer.name: b"older"}


def no_room_for_files() -> None:
    """No file of this process may grow beyond 100 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_whole_body_ct_is_answered_in_minutes_and_a_few_gigabytes(
    tmp_path: Path, output: Path
) -> None:
    image = tmp_path / "ct.nii.gz"
    array = np.random.default_rng(0).normal(0, 30, (512, 512, 94)).astype(np.int16)
    array[:60] = -1000
    nibabel.save(nibabel.Nifti1Image(array, np.diag([0.734375, 0.734375, 5.0, 1.0])), image)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = in_a_process("segment", image, "-o", output / "label.nii.gz", "--json", timeout=1000)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run.code == 0
    (case,) = run.facts["cases"]
    assert any("unlike the training data" in warning for warning in case["warnings"])
    assert after.ru_maxrss / 2**20 < 6  # GiB
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 180
    assert files.read(output / "label.nii.gz").shares_grid(files.read(image))
