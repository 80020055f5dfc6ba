"""The command lines that are compared."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from verisim.card import ModelCard

PROGRAMS = Path(sys.executable).parent


def folds_of(model_folder: Path) -> list[str]:
    """The trained folds of a model folder of nnU-Net's."""
    found = model_folder.glob("fold_*/checkpoint_final.pth")
    return sorted(path.parent.name.removeprefix("fold_") for path in found)


def nnunet(
    model_folder: Path, images: Path, output: Path, mirroring: bool, workers: int = 1
) -> Sequence[object]:
    """nnU-Net segments a folder of images on the processor, with all folds.

    Args:
        workers: Processes for preprocessing, and as many for resampling and writing.
    """
    program = PROGRAMS / "nnUNetv2_predict_from_modelfolder"
    command = [program, "-i", images, "-o", output, "-m", model_folder]
    command += ["-f", *folds_of(model_folder), "-device", "cpu", "-npp", workers, "-nps", workers]
    return command if mirroring else [*command, "--disable_tta"]


def verisim(card: ModelCard, images: Path, output: Path, mirroring: bool) -> Sequence[object]:
    """Verisim segments a folder of images on the processor."""
    command = [PROGRAMS / "verisim", "segment", images, "-o", output, "--device", "cpu"]
    command += ["--model", card.name, "--models", card.folder]
    return [*command, "--mirror" if mirroring else "--no-mirror"]
