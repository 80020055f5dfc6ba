"""nnU-Net's own trainer with its schedule shortened to some minutes, on the processor.

    python benchmarks/beside_nnunet/nnunet_trainer.py PREPROCESSED CONFIGURATION MINUTES

A program of its own, since nnU-Net finds its folders in the environment.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from shortening import shortened

MEASURED_STEPS, MEASURING_SHARE = 5, 0.05
"""Steps are measured for this share of the minutes, which are not taken from them."""


def main() -> None:
    """Measure, plan, train; the checkpoint lies where nnU-Net puts it."""
    preprocessed, configuration, minutes = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    step, rest = measured(preprocessed, configuration, MEASURING_SHARE * 60 * minutes)
    epochs, steps = shortened(step, rest, 60 * minutes)
    print(f"{step:.2f} s a step, {rest:.2f} s after each epoch: {epochs} epochs of {steps} steps")
    trainer = trainer_of(preprocessed, configuration)
    trainer.num_epochs, trainer.num_iterations_per_epoch = epochs, steps
    trainer.num_val_iterations_per_epoch = 1
    trainer.run_training()


def trainer_of(preprocessed: Path, configuration: str) -> nnUNetTrainer:
    """The default trainer for fold 0."""
    plans = json.loads((preprocessed / "nnUNetPlans.json").read_text())
    dataset = json.loads((preprocessed / "dataset.json").read_text())
    # this version looks the word up in the plans
    return nnUNetTrainer(
        plans | {"continue_training": False}, configuration, 0, dataset, torch.device("cpu")
    )


def measured(preprocessed: Path, configuration: str, most: float) -> tuple[float, float]:
    """Seconds of a step, and of what follows an epoch, tried in a folder that goes away.

    Args:
        preprocessed: With the plans.
        configuration: One of them.
        most: Seconds after which no further step is measured; one is in any case.
    """
    lasting = os.environ["nnUNet_results"]  # noqa: SIM112  # nnU-Net's own word
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update({"nnUNet_results": folder})
        trainer = trainer_of(preprocessed, configuration)
        os.environ.update({"nnUNet_results": lasting})
        trainer.on_train_start()
        trainer.on_epoch_start()
        trainer.on_train_epoch_start()
        outputs, seconds = [trainer.train_step(next(trainer.dataloader_train))], []
        while len(seconds) < MEASURED_STEPS and (not seconds or sum(seconds) < most):
            started = time.monotonic()
            outputs.append(trainer.train_step(next(trainer.dataloader_train)))
            seconds.append(time.monotonic() - started)
        started = time.monotonic()
        trainer.on_train_epoch_end(outputs)
        with torch.no_grad():
            trainer.on_validation_epoch_start()
            validated = [trainer.validation_step(next(trainer.dataloader_val))]
            trainer.on_validation_epoch_end(validated)
        trainer.on_epoch_end()
        return median(seconds), time.monotonic() - started


if __name__ == "__main__":
    main()
