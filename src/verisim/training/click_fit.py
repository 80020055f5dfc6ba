"""From cases and the card of a model to a click network that corrects the model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from verisim.card import ModelCard, write_model
from verisim.dataset import Dataset, split_by_subject
from verisim.errors import BadInput
from verisim.files.atomic import clear_unfinished, make_folder
from verisim.memory import keep_freed
from verisim.networks.clicks import ClickUNet, one_hot_channels
from verisim.networks.unet import UNet
from verisim.networks.weights import fill
from verisim.precision import laid_out
from verisim.progress import SILENT, Progress
from verisim.training.batches import crop
from verisim.training.clicking import ClickBatches, Clicking
from verisim.training.examples import Example, Reader, shelf
from verisim.training.loop import Loop
from verisim.training.losses import dice_cross_entropy
from verisim.training.member import augmentation_of, untrained
from verisim.training.readers import Said, clicks_into
from verisim.training.record import extents_of, record
from verisim.training.schedule import Schedule
from verisim.training.starts import Begun, begun
from verisim.training.validation import dice_by_label, summary
from verisim.volume import Array

CHOOSING = 0.08
"""Share of the subjects of the training split that choose the best weights: those of the
validation split are only measured, at the end."""

SPREAD_MM = 2.0
"""Of a click."""

FINEST, WIDEST = 16, 128
"""Feature maps of the finest stage, and the most; they double from stage to stage."""

SHOWN = (0, 1, 3, 5, 10)
"""Clicks after which the card tells the Dice."""

CHOSEN_BY = (3, 7, 10)
"""Clicks after each round by which the best weights are chosen."""


def clicker_of(card: ModelCard, name: str, version: int = 1) -> ModelCard:
    """An untrained click network for the answers of a model.

    Raises:
        BadInput: The model has no U-Net of its own whose stages it could have, or no voxel size.
    """
    if not all(card.preprocessing.spacing_mm):
        raise BadInput(
            f"{card.title} takes voxels of any size, and a click has a width in mm.",
            "Name a model whose card says spacing_mm.",
        )
    if not isinstance(card.network, UNet) or card.ensemble or card.previous:
        raise BadInput(
            f"{card.title} is no single U-Net, and answers to many noisy copies are needed.",
            "Name a U-Net with the same labels, which `verisim train` makes.",
        )
    widths = tuple(min(FINEST * 2**k, WIDEST) for k in range(card.network.stages))
    return replace(
        card,
        name=name,
        version=version,
        kind="refinement",
        description=f"Corrects {' and '.join(card.labels)} around clicks. {card.description}",
        network=ClickUNet(replace(card.network, features=widths), SPREAD_MM),
        members=1,
        mirroring=False,
        temperature=1.0,
        sha256="",
        seconds_per_volume=0.0,
        training=None,
        figures={},
        expectations={},
    )


@dataclass(frozen=True)
class ClickFit:
    """One training of one click network.

    Args:
        card: What to train.
        corrected: The model whose answers it corrects.
        dataset: Where to learn from.
        schedule: How long and how fast.
        train_split: Cases to learn from.
        measured_split: Cases on which it is measured at the end, and which decide nothing.
        device: Where to compute.
    """

    card: ModelCard
    corrected: ModelCard
    dataset: Dataset
    schedule: Schedule
    train_split: str = "train"
    measured_split: str = "val"
    device: str = "cpu"

    def __call__(
        self, run_folder: Path, model_folder: Path, progress: Progress = SILENT
    ) -> ModelCard:
        """Train, and write the best weights with their card.

        Args:
            run_folder: Receives starts, checkpoint and curves; a run found there is continued.
            model_folder: Receives the model.
            progress: Hears of every step.
        """
        keep_freed()
        make_folder(run_folder)
        clear_unfinished(run_folder)
        with shelf(run_folder) as kept:
            reader = Reader(self.card)
            cases = self.dataset.split(self.train_split)
            read = reader.read(cases, kept, self.train_split, progress)
            all_begun = self._begun(read, run_folder / "starts.npz", progress)
            choosing = split_by_subject(cases, self.schedule.seed, CHOOSING)["val"]
            choose = [one for one in all_begun if one.example.name in choosing]
            teach = [one for one in all_begun if one.example.name not in choosing]
            loop = Loop(self._start(), self._objective, self.schedule, run_folder)
            trained = loop.run(self._batches(teach), _Score(self, choose), progress)
            measured = self.dataset.split(self.measured_split)
            unseen = reader.read(measured, kept, self.measured_split, progress)
            unseen_begun = self._begun(unseen, run_folder / "unseen.npz", progress)
            about = record(
                self.card,
                self.dataset,
                self.train_split,
                extents_of([one.example for one in teach]),
                self.schedule,
                trained.seconds,
                self.device,
            )
        figures = self._figures(trained.weights, unseen_begun, progress)
        clear_unfinished(model_folder, self.card.weights_path.name)
        return write_model(
            replace(self.card, training=about, figures=figures), trained.weights, model_folder
        )

    @property
    def _objective(self) -> Clicking:
        assert isinstance(self.card.network, ClickUNet), "made by clicker_of"
        return Clicking(
            dice_cross_entropy(),
            self.card.classes,
            self.card.preprocessing.spacing_mm,
            self.card.network.spread_mm,
            self.schedule.seed,
        )

    def _start(self) -> nn.Module:
        network = untrained(self.card, self.schedule.seed)
        return laid_out(network.to(self.device), self.device)

    def _begun(self, examples: Sequence[Example], path: Path, progress: Progress) -> list[Begun]:
        return begun(self.corrected, examples, path, self.schedule.seed, self.device, progress)

    def _batches(self, cases: Sequence[Begun]) -> ClickBatches:
        return ClickBatches(
            cases,
            self.schedule.batch_size,
            augmentation_of(self.card),
            self.card.classes,
            self.schedule.seed,
        )

    def _figures(
        self, weights: Mapping[str, Tensor], cases: Sequence[Begun], progress: Progress
    ) -> dict[str, float]:
        network = self.card.build()
        fill(network, weights)
        rounds = range(1, SHOWN[-1] + 1)
        readings = []
        for n, case in enumerate(cases):
            progress.advance(n, len(cases), "clicking into unseen cases")
            readings.append(self.read(network.to(self.device).eval(), case, rounds))
        means = np.mean(readings, axis=0)
        return {
            f"dice.{self.measured_split}.{count}-clicks": round(float(means[count]), 4)
            for count in SHOWN
        }

    def read(self, network: nn.Module, case: Begun, rounds: Sequence[int]) -> list[float]:
        """Mean Dice over the labels before the first click, and after each round of them.

        Args:
            network: With trained weights.
            case: Its first start is corrected.
            rounds: How many clicks there are after each.
        """
        generator = np.random.default_rng(0)
        patch, classes = self.card.patch_size, self.card.classes
        centre = [n // 2 for n in case.example.label.shape]
        both = crop(np.stack([case.example.label, case.starts[0]]), centre, patch)
        image, (truth, answer) = crop(case.example.image, centre, patch), both
        seen = np.concatenate([image, one_hot_channels(answer, classes)]).astype(np.float32)
        clicks: list[Said] = []
        scores = [self._dice(answer, truth)]
        for until in rounds:
            new = until - len(clicks)
            clicks.extend(clicks_into(answer, truth, classes, new, generator))
            maps = self._objective.maps(clicks, patch)
            patches = torch.from_numpy(np.concatenate([seen, maps])[None]).to(self.device)
            with torch.inference_mode():
                found = network(patches)
            finest = found[0] if isinstance(found, list) else found
            answer = finest[0].argmax(dim=0).cpu().numpy()
            scores.append(self._dice(answer, truth))
        return scores

    def _dice(self, answer: Array, truth: Array) -> float:
        scores = np.array([dice_by_label(answer, truth, self.card.labels)])
        return summary(scores, self.card.labels).mean_dice


@dataclass(frozen=True)
class _Score:
    """Mean Dice after the last round of clicks, of cases that choose."""

    fit: ClickFit
    cases: Sequence[Begun]

    def __call__(self, network: nn.Module) -> float:
        network.eval()
        readings = [self.fit.read(network, case, CHOSEN_BY) for case in self.cases]
        return float(np.mean(readings, axis=0)[-1])
