"""Both programs are trained on the same cases; what is finished in the work folder is kept."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from beside_nnunet import commands
from beside_nnunet.material import lay_out
from beside_nnunet.measuring import measured
from beside_nnunet.report import tell
from verisim.card import ModelCard
from verisim.dataset import Case, Dataset
from verisim.files import write
from verisim.files.atomic import replacing
from verisim.installed import find_card

TRAINER = Path(__file__).parent / "nnunet_trainer.py"
NAME = "ours"
DATASET = "Dataset001_Benchmark"


@dataclass(frozen=True)
class Contest:
    """What both learn from, and what both are asked.

    Args:
        data: Folder of the data set.
        dataset: The same, opened.
        fold: Of the split train: its held-out cases watch the training of both; "none" to learn
            from all of train and watch by the test cases.
        minutes: Of each training.
        threads: Of each side.
        work: Keeps everything.
    """

    data: Path
    dataset: Dataset
    fold: str
    minutes: float
    threads: int
    work: Path

    @property
    def teaching(self) -> tuple[Case, ...]:
        """Cases to learn from."""
        if self.fold == "none":
            return self.dataset.split("train")
        return self.dataset.folds()[int(self.fold)].training

    @property
    def watching(self) -> tuple[Case, ...]:
        """Cases that watch the training."""
        if self.fold == "none":
            return self.dataset.split("val")
        return self.dataset.folds()[int(self.fold)].validation

    @property
    def tested(self) -> tuple[Case, ...]:
        """Cases that both segment in the end."""
        return self.dataset.split("val")

    def once(self, name: str, command: Sequence[object]) -> float:
        """Run a command unless it ended well before; the seconds that it took then or now.

        Raises:
            SystemExit: It failed, or another command was run in this work folder.
        """
        kept, words = self.work / f"{name}.json", [str(word) for word in command]
        if not kept.is_file():
            tell(f"{name} …")
            run = measured(command, self.work / f"{name}.log")
            found = {"command": words, "threads": self.threads, "seconds": run.seconds}
            with replacing(kept) as temporary:
                temporary.write_text(json.dumps(found), encoding="utf-8")
        record = json.loads(kept.read_text(encoding="utf-8"))
        if (record["command"], record["threads"]) != (words, self.threads):
            raise SystemExit(f"{self.work} holds a run with other arguments: choose another.")
        tell(f"{name}: {record['seconds']:.0f} s")
        return float(record["seconds"])

    def images(self) -> Path:
        """The folder of images that both segment."""
        folder = self.work / "images"
        shutil.rmtree(folder, ignore_errors=True)
        return lay_out(self.tested, folder)


def train_nnunet(contest: Contest) -> Path:
    """nnU-Net plans, preprocesses and trains by itself; its model folder."""
    home = contest.work / "nnunet"
    folders = {f"nnUNet_{kind}": str(home / kind) for kind in ("raw", "preprocessed", "results")}
    os.environ.update(folders | {"nnUNet_n_proc_DA": str(contest.threads)})
    preprocessed = home / "preprocessed" / DATASET
    if not (contest.work / "nnunet_preprocessing.json").is_file():
        shutil.rmtree(home, ignore_errors=True)
        _write_raw(contest, home / "raw" / DATASET)
    program = commands.PROGRAMS / "nnUNetv2_plan_and_preprocess"
    workers = ["-npfp", contest.threads, "-np", contest.threads]
    contest.once("nnunet_preprocessing", [program, "-d", 1, *workers, "-c", "3d_fullres"])
    _write_splits(contest, preprocessed / "splits_final.json")
    plans = json.loads((preprocessed / "nnUNetPlans.json").read_text())
    configuration = "3d_fullres" if "3d_fullres" in plans["configurations"] else "2d"
    # augmentation in the process of the training: there is no processor to spare for others
    os.environ.update({"nnUNet_n_proc_DA": "0"})
    command = [sys.executable, TRAINER, preprocessed, configuration, contest.minutes]
    contest.once("nnunet_training", command)
    return home / "results" / DATASET / f"nnUNetTrainer__nnUNetPlans__{configuration}"


def train_verisim(contest: Contest) -> ModelCard:
    """Verisim plans, preprocesses and trains by itself; all of it within the minutes."""
    models = contest.work / "verisim" / "models"
    command = [commands.PROGRAMS / "verisim", "train", contest.data, "--name", NAME]
    command += ["--fold", contest.fold, "--minutes", contest.minutes, "--device", "cpu"]
    command += ["--models", models, "--run", contest.work / "verisim" / "run"]
    contest.once("verisim_training", command)
    return find_card(NAME if contest.fold == "none" else f"{NAME}-fold{contest.fold}", models)


def answers(contest: Contest, model_folder: Path, card: ModelCard, mirroring: bool) -> list[Path]:
    """Both segment the test cases; the folders of their label maps."""
    images, found = contest.images(), []
    for name in ("nnunet", "verisim"):
        output = contest.work / f"{name}_{'mirrored' if mirroring else 'plain'}"
        shutil.rmtree(output, ignore_errors=True)
        if name == "nnunet":
            command = commands.nnunet(model_folder, images, output, mirroring)
        else:
            command = commands.verisim(card, images, output, mirroring)
        measured(command, contest.work / f"{output.name}.log")
        found.append(output)
    return found


def _write_raw(contest: Contest, folder: Path) -> None:
    """The cases of the training in nnU-Net's layout."""
    cases = contest.teaching + contest.watching
    lay_out(cases, folder / "imagesTr")
    (folder / "labelsTr").mkdir()
    for case in cases:
        _, label_map = case.pair(contest.dataset.labels)
        write(folder / "labelsTr" / f"{case.name}.nii.gz", label_map)
    described = {
        "channel_names": {str(k): name for k, name in enumerate(contest.dataset.channels)},
        "labels": {"background": 0, **contest.dataset.labels},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(described), encoding="utf-8")


def _write_splits(contest: Contest, path: Path) -> None:
    sides = {"train": contest.teaching, "val": contest.watching}
    split = {side: [case.name for case in cases] for side, cases in sides.items()}
    path.write_text(json.dumps([split]), encoding="utf-8")
