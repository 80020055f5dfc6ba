"""`verisim segment` when it is stopped, when the disk is full, and when the volume is huge."""

from __future__ import annotations

import os
import pty
import resource
import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.cli.conftest import (
    COMMAND,
    ROOT,
    Run,
    an_image,
    environment,
    in_a_process,
    listing,
    write_dataset,
)
from tests.test_memory import large_card
from verisim import files
from verisim.card import ModelCard

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


LIMITED = """
import os, sys
from dataclasses import replace
from pathlib import Path
from tests.memory_limit import answered, limit
from verisim.card import read_card
from verisim.cli import main
answered(replace(read_card(Path(sys.argv.pop(1))), patch_size=(16, 16, 16)))
limit(os.getpid(), 400)
main()
"""
"""The command in a process that may take 400 MB more than when everything is imported."""


def with_little_memory(card: ModelCard, *arguments: object) -> Run:
    """Run a command with so little memory that the patches of `large_card` must be smaller."""
    command = [sys.executable, "-c", LIMITED, str(card.card_path), *(str(a) for a in arguments)]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=environment(), check=False
    )
    assert "Traceback" not in ended.stderr
    return Run(ended.returncode, ended.stdout, ended.stderr)


def test_too_little_memory_leads_to_smaller_patches_and_a_warning(
    a_card: ModelCard, tmp_path: Path, a_case: Path, output: Path
) -> None:
    card = large_card(tmp_path / "models", a_card)
    large = ("--model", card.name, "--models", card.folder)
    run = with_little_memory(card, "segment", a_case.parent, "-o", output, *large, "--json")
    assert run.code == 0, run.err
    (case,) = run.facts["cases"]
    assert "patches of 64 × 64 × 64 instead of 128 × 128 × 128" in str(case["warnings"])
    assert set(listing(output)) == {a_case.name}


def test_evaluating_with_too_little_memory_warns_too(
    a_card: ModelCard, tmp_path: Path, output: Path
) -> None:
    card = large_card(tmp_path / "models", a_card)
    dataset = write_dataset(tmp_path / "Task04_Hippocampus")
    run = with_little_memory(
        card, "evaluate", card.name, dataset, "--models", card.folder, "--json"
    )
    assert run.code == 0, run.err
    assert all("instead of 128 × 128 × 128" in str(one["warnings"]) for one in run.facts["cases"])
    assert len(run.facts["cases"]) == 2


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
