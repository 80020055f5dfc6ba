"""A segmentation in a process of its own that the operating system gives little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from verisim.card import ModelCard, read_card
from verisim.ensembles import segmenter_of
from verisim.errors import TooLarge
from verisim.rescue import Attempt, Rescued, segment_within
from verisim.segmentation import Segmenter
from verisim.volume import Volume


def limit(pid: int, megabytes: int) -> None:
    """Let a running process take at most so many MB more than it has (Linux)."""
    process = psutil.Process(pid)
    allowed = process.memory_info().vms + megabytes * 2**20
    process.rlimit(psutil.RLIMIT_AS, (allowed, psutil.RLIM_INFINITY))


def unlimited() -> None:
    """Let this process take what it wants again."""
    free = psutil.RLIM_INFINITY
    psutil.Process().rlimit(psutil.RLIMIT_AS, (free, free))


def answered_within(megabytes: int, card_path: Path) -> dict[str, Any]:
    """What a new process answers that may take so many MB more than after loading the model."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.memory_limit", str(megabytes), str(card_path)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def main(megabytes: int, card_path: Path) -> dict[str, Any]:
    """Segment under the limit, then without, and compare."""
    torch.set_num_threads(1)
    card = read_card(card_path)
    answered(replace(card, patch_size=(16, 16, 16)))  # everything is imported and warm
    limit(psutil.Process().pid, megabytes)
    try:
        rescued = answered(card)
    except TooLarge as error:
        told: dict[str, Any] = {"code": error.code, "remedy": error.remedy}
    else:
        told = asdict(replace(rescued, segmentation=None))  # type: ignore[arg-type]  # JSON has no volumes
        told["warnings"] = rescued.segmentation.warnings
    unlimited()
    if "patch_sizes" in told:
        same = answered(replace(card, patch_size=told["patch_sizes"][0])).segmentation.label_map
        equal = same.array == rescued.segmentation.label_map.array
        told["as_a_card_with_that_patch"] = bool(equal.all())
    return {**told, "attempts_afterwards": answered(replace(card, patch_size=(96,) * 3)).attempts}


def answered(card: ModelCard) -> Rescued:
    """What a model answers to noise."""
    volume = Volume(np.random.default_rng(0).normal(size=(40, 40, 40)), np.eye(4))

    def make(attempt: Attempt) -> Segmenter:
        return segmenter_of(card, attempt.device, sparing=attempt.sparing)

    return segment_within(make, [card], volume)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), Path(sys.argv[2]))))
