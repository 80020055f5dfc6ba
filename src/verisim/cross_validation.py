"""Five networks, each tried on the fifth of the cases that it did not learn from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from verisim.card import ModelCard, read_card, write_model
from verisim.dataset import Case, Dataset, Fold
from verisim.diffusion_segmenter import DiffusionSegmenter
from verisim.errors import BadInput
from verisim.files import read_label_map, write
from verisim.files.atomic import clear_unfinished, make_folder
from verisim.networks.weights import weights_of
from verisim.progress import SILENT, Progress
from verisim.segmentation import NetworkSegmenter, Segmentation
from verisim.subjects import FOLDS
from verisim.training.cleaning import Cleaning, choose_cleaning
from verisim.training.examples import Example, Reader, shelf
from verisim.training.fit import Fit, gathered
from verisim.training.look_alikes import look_alikes, warn_of
from verisim.training.record import record
from verisim.training.schedule import Schedule
from verisim.training.stages import Stage
from verisim.training.validation import dice_by_label, summary
from verisim.volume import Array, Volume


@dataclass(frozen=True)
class CrossValidation:
    """Networks of one kind, one a fold, that answer together in the end (Isensee 2021).

    Args:
        card: What to train, without weights.
        dataset: Where to learn from.
        schedule: Of each fold; its seed is that of the first.
        split: The cases that are dealt out.
        count: Folds.
        device: Where to compute.
        before: Answers of the model of low resolution by the case's name, for a cascade.
    """

    card: ModelCard
    dataset: Dataset
    schedule: Schedule
    split: str = "train"
    count: int = FOLDS
    device: str = "cpu"
    before: Mapping[str, Path] = field(default_factory=dict)

    def __call__(
        self, run_folder: Path, model_folder: Path, progress: Progress = SILENT
    ) -> ModelCard:
        """Train every fold, and write one model of all their networks.

        Its figures "dice.cv" are those of each network on the cases that it did not learn from,
        cleaned as the card says; the cleaning is chosen on the same answers.

        Args:
            run_folder: Receives a folder for each fold; what is found there is continued.
            model_folder: Receives the model.
            progress: Hears of every step.
        """
        folds = self.dataset.folds(self.count, self.split)
        trained = self._trained(folds, range(self.count), run_folder, progress)
        for k, (fold, card) in enumerate(zip(folds, trained, strict=True)):
            self._answer(k, fold, card, run_folder, progress)
        answers = Answers(self.dataset, folds, run_folder)
        cleaning = choose_cleaning(answers.scores, tuple(self.card.labels))
        described = self._described(trained, cleaning, answers)
        weights = gathered([weights_of(card.load()) for card in trained])
        return write_model(described, weights, model_folder)

    def single(
        self, k: int, run_folder: Path, model_folder: Path, progress: Progress = SILENT
    ) -> ModelCard:
        """Train one fold only, and write it as a model NAME-foldK of its own.

        The model of all folds is made of it later without training it again.

        Raises:
            BadInput: There is no such fold.
        """
        if not 0 <= k < self.count:
            raise BadInput(
                f"There is no fold {k}.", f"Choose 0 to {self.count - 1}, all, or none."
            )
        folds = self.dataset.folds(self.count, self.split)
        (card,) = self._trained(folds, [k], run_folder, progress)
        return write_model(card, weights_of(card.load()), model_folder)

    def _trained(
        self, folds: Sequence[Fold], wanted: Sequence[int], run_folder: Path, progress: Progress
    ) -> list[ModelCard]:
        """The models of some folds; those that are finished are taken as they are."""
        found = {k: self._finished(k, run_folder) for k in wanted}
        if None not in found.values():
            return [card for card in found.values() if card is not None]
        cases = self.dataset.split(self.split)
        # single folds may be trained at the same time, each in its own folder
        alone = len(found) == 1
        with shelf(_folder(run_folder, wanted[0]) if alone else run_folder) as kept:
            listed = Reader(self.card, self.before).read(cases, kept, self.split, progress)
            examples = {example.name: example for example in listed}
            _warn(folds, examples)
            return [
                found[k] or self._train(k, folds[k], examples, run_folder, progress)
                for k in wanted
            ]

    def _train(
        self,
        k: int,
        fold: Fold,
        examples: Mapping[str, Example],
        run_folder: Path,
        progress: Progress,
    ) -> ModelCard:
        folder = _folder(run_folder, k)
        # answers of an earlier, shorter training are not those of this one
        shutil.rmtree(folder / "answers", ignore_errors=True)
        fit = Fit(
            self._card(k), self.dataset, self._schedule(k), self.split, f"fold{k}", self.device
        )
        return fit.fitted(
            [examples[case.name] for case in fold.training],
            [examples[case.name] for case in fold.validation],
            folder,
            folder / "model",
            Stage(progress, k, self.count, f"fold {k + 1}"),
        )

    def _answer(
        self, k: int, fold: Fold, card: ModelCard, run_folder: Path, progress: Progress
    ) -> None:
        """Segment the cases of a fold that have no answer yet, on their own voxels."""
        folder = _folder(run_folder, k) / "answers"
        make_folder(folder)
        clear_unfinished(folder)
        paths = {case: folder / f"{case.name}.nii.gz" for case in fold.validation}
        waiting = [case for case, path in paths.items() if not path.is_file()]
        if not waiting:
            return
        first = FirstStage(card)
        make = DiffusionSegmenter if card.sampling else NetworkSegmenter
        segmenter = make(card, self.device, previous=first if card.previous else None)
        for number, case in enumerate(waiting):
            progress.advance(number, len(waiting), f"answering fold {k + 1} of {self.count}")
            first.path = self.before.get(case.name)
            write(paths[case], segmenter(case.volume()).label_map)

    def _described(
        self, trained: Sequence[ModelCard], cleaning: Cleaning, answers: Answers
    ) -> ModelCard:
        """The card of all networks together."""
        records = [card.training for card in trained if card.training is not None]
        boxes = [box for one in records for box in one.extent_mm]
        seconds = sum(one.seconds for one in records)
        told = record(
            self.card, self.dataset, self.split, boxes, self.schedule, seconds, self.device
        )
        figures = summary(answers.scores(cleaning), self.card.labels).figures("cv")
        return replace(
            self.card,
            members=self.count,
            keep_largest=cleaning.labels,
            keep_largest_foreground=cleaning.foreground,
            training=replace(told, cases=len(self.dataset.split(self.split))),
            figures=figures,
            seconds_per_volume=round(sum(card.seconds_per_volume for card in trained), 2),
        )

    def _finished(self, k: int, run_folder: Path) -> ModelCard | None:
        """The model of a fold that was trained to the end of this schedule."""
        folder = _folder(run_folder, k) / "model"
        path = replace(self._card(k), folder=folder).card_path
        card = read_card(path) if path.is_file() else None
        if card is None or card.training is None or card.network != self.card.network:
            return None
        return card if card.training.iterations == self.schedule.iterations else None

    def _card(self, k: int) -> ModelCard:
        return replace(self.card, name=f"{self.card.name}-fold{k}")

    def _schedule(self, k: int) -> Schedule:
        return replace(self.schedule, seed=self.schedule.seed + k)


@dataclass(frozen=True)
class Answers:
    """What the networks of a cross-validation answered to cases they did not learn from.

    Args:
        dataset: Knows the truth.
        folds: Which network answered which case.
        run_folder: Where the answers lie.
    """

    dataset: Dataset
    folds: Sequence[Fold]
    run_folder: Path

    def scores(self, cleaning: Cleaning) -> Array:
        """Dice (cases, labels) after a cleaning; nan where a label is nowhere."""
        return np.array(
            [
                self._score(case, cleaning, _folder(self.run_folder, k) / "answers")
                for k, fold in enumerate(self.folds)
                for case in fold.validation
            ]
        )

    def _score(self, case: Case, cleaning: Cleaning, folder: Path) -> list[float]:
        labels = self.dataset.labels
        answer = cleaning(read_label_map(folder / f"{case.name}.nii.gz", labels))
        return dice_by_label(answer.array, case.label_map(labels).array, labels)


@dataclass
class FirstStage:
    """The first stage of a cascade, which has answered already.

    Args:
        card: Of the second stage, whose labels are the same.
        path: Its answer to the case that is asked next.
    """

    card: ModelCard
    path: Path | None = None

    def __call__(self, volume: Volume, progress: Progress = SILENT) -> Segmentation:
        """The answer it gave."""
        if self.path is None:
            raise BadInput("The first stage has no answer to this case.", "Train it first.")
        return Segmentation(read_label_map(self.path, self.card.labels), 0.0, {})


def answers_in(run_folder: Path) -> dict[str, Path]:
    """The answers of a finished cross-validation, by the case's name."""
    found = sorted(run_folder.glob("fold*/answers/*.nii.gz"))
    return {path.name.removesuffix(".nii.gz"): path for path in found}


def _folder(run_folder: Path, k: int) -> Path:
    return run_folder / f"fold{k}"


def _warn(folds: Sequence[Fold], examples: Mapping[str, Example]) -> None:
    """Of images that look the same in different folds."""

    def of(cases: Sequence[Case]) -> list[Example]:
        return [examples[case.name] for case in cases]

    warn_of(
        chain.from_iterable(look_alikes(of(fold.training), of(fold.validation)) for fold in folds)
    )
