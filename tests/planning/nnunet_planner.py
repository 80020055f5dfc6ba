"""A program of its own: nnU-Net's planner on fingerprints, without data.

nnU-Net reads its folders from the environment when it is imported, so it needs its own process.
Standard input: a list of {"fingerprint", "dataset", "memory", "planner"}; last line of the
output: the list of plans.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Plan every data set of the standard input."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("raw", "preprocessed", "results"):
            os.environ[f"nnUNet_{name}"] = str(Path(folder) / name)
        with contextlib.redirect_stdout(io.StringIO()):
            plans = [planned(Path(folder), k, job) for k, job in enumerate(json.load(sys.stdin))]
    sys.stdout.write("\n" + json.dumps(plans) + "\n")


def planned(folder: Path, number: int, job: dict[str, Any]) -> dict[str, Any]:
    """The plan of one data set, which has a description and no images."""
    import torch
    from nnunetv2.experiment_planning.experiment_planners import (
        default_experiment_planner,
        resencUNet_planner,
    )

    name = f"Dataset{number + 1:03d}_MadeUp"
    for place, file, content in (
        ("raw", "dataset.json", job["dataset"]),
        ("preprocessed", "dataset_fingerprint.json", job["fingerprint"]),
    ):
        path = folder / place / name / file
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    planners = {
        "plain": default_experiment_planner.ExperimentPlanner,
        "residual": resencUNet_planner.ResEncUNetPlanner,
    }
    planner = planners[job["planner"]](name, gpu_memory_target_in_gb=job["memory"])
    with torch.device("meta"):  # its networks are only counted
        planner.plan_experiment()
    written = folder / "preprocessed" / name / f"{planner.plans_identifier}.json"
    plan: dict[str, Any] = json.loads(written.read_text())
    return plan


if __name__ == "__main__":
    main()
