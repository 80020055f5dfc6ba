"""From cases and a card without weights to a card with weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from verisim.card import ModelCard, write_model
from verisim.dataset import Dataset
from verisim.errors import BadInput
from verisim.files.atomic import clear_unfinished
from verisim.networks.weights import fill
from verisim.progress import SILENT, Progress
from verisim.training.examples import Example, Reader, Shelf, shelf
from verisim.training.look_alikes import warn_of_look_alikes
from verisim.training.member import Member
from verisim.training.record import extents_of, record
from verisim.training.schedule import Schedule
from verisim.training.stages import Stage
from verisim.training.validation import Validation, validate


@dataclass(frozen=True)
class Improvement:
    """What a fine-tuning came to.

    Args:
        card: The version to use from now on: the new one, or the present one if that is better.
        before: Mean validation Dice of the present version.
        after: Mean validation Dice of the fine-tuned weights, on the same cases.
    """

    card: ModelCard
    before: float
    after: float

    @property
    def improved(self) -> bool:
        """Whether a new version was written."""
        return self.after >= self.before


@dataclass(frozen=True)
class Fit:
    """One training of one model on one data set.

    Args:
        card: What to train; its weights, if it has any, are the start.
        dataset: Where to learn from.
        schedule: How long and how fast.
        train_split: Cases to learn from.
        validation_split: Cases that choose the best weights.
        device: Where to compute.
        before: Answers of the model of low resolution by the case's name, for a cascade.
    """

    card: ModelCard
    dataset: Dataset
    schedule: Schedule
    train_split: str = "train"
    validation_split: str = "val"
    device: str = "cpu"
    before: Mapping[str, Path] = field(default_factory=dict)

    def __call__(
        self, run_folder: Path, model_folder: Path, progress: Progress = SILENT
    ) -> ModelCard:
        """Train, and write the best weights with their card.

        Args:
            run_folder: Receives checkpoint and curves; a run found there is continued.
            model_folder: Receives the model.
            progress: Hears of every step.

        Warns:
            SubjectWarning: Cases on both sides look the same.
        """
        with shelf(run_folder) as kept:
            training = self._read(self.train_split, kept, progress)
            validation = self._read(self.validation_split, kept, progress)
            warn_of_look_alikes(training, validation)
            return self.fitted(training, validation, run_folder, model_folder, progress)

    def fitted(
        self,
        training: Sequence[Example],
        validation: Sequence[Example],
        run_folder: Path,
        model_folder: Path,
        progress: Progress = SILENT,
    ) -> ModelCard:
        """The same, for cases that are read already."""
        member = Member(self.card, training, validation, self.schedule, self.device)
        trained = member.train(run_folder, progress)
        clear_unfinished(model_folder, self.card.weights_path.name)
        clear_unfinished(model_folder, self.card.card_path.name)
        seen = self._seen(trained.weights, validation)
        card = self._described(training, trained.seconds, self.schedule, seen)
        return write_model(card, trained.weights, model_folder)

    def improve(
        self, run_folder: Path, model_folder: Path, progress: Progress = SILENT
    ) -> Improvement:
        """Fine-tune the card's weights, and write the next version unless it is worse.

        Of a model of several networks each is fine-tuned in its turn, with its share of the
        steps. Both versions are measured on the same validation cases; the present one's files
        stay.

        Args:
            run_folder: Receives checkpoint and curves; a run found there is continued.
            model_folder: Receives the next version.
            progress: Hears of every step.

        Raises:
            BadInput: The card has no network of its own, or one that does not segment.
        """
        check_tunable(self.card)
        with shelf(run_folder) as kept:
            training = self._read(self.train_split, kept, progress)
            validation = self._read(self.validation_split, kept, progress)
            before = validate(
                self.card.load().to(self.device), self.card, validation, self.device
            ).mean_dice
            weights, seconds = self._tuned(training, validation, run_folder, progress)
            seen = self._seen(weights, validation)
            if seen.mean_dice < before:
                return Improvement(self.card, before, seen.mean_dice)
            schedule = self.schedule.shared_by(self.card.members)
            described = self._described(training, seconds, schedule, seen)
        following = replace(described, version=self.card.version + 1)
        card = write_model(following, weights, model_folder)
        return Improvement(card, before, seen.mean_dice)

    def _tuned(
        self,
        training: Sequence[Example],
        validation: Sequence[Example],
        folder: Path,
        progress: Progress,
    ) -> tuple[dict[str, Tensor], float]:
        """The weights of all networks of the card, and the seconds they took."""
        count = self.card.members
        schedule = self.schedule.shared_by(count)
        tuned = []
        for k in range(count):
            member = Member(self.card, training, validation, schedule, self.device, k)
            own = folder if count == 1 else folder / f"member{k}"
            tuned.append(member.train(own, Stage(progress, k, count, f"network {k + 1}")))
        return gathered([t.weights for t in tuned]), sum(trained.seconds for trained in tuned)

    def _read(self, split: str, kept: Shelf, progress: Progress) -> list[Example]:
        reader = Reader(self.card, self.before)
        return reader.read(self.dataset.split(split), kept, split, progress)

    def _seen(self, weights: Mapping[str, Tensor], validation: Sequence[Example]) -> Validation:
        network = self.card.build()
        fill(network, weights)
        return validate(network.to(self.device), self.card, validation, self.device)

    def _described(
        self,
        training: Sequence[Example],
        seconds: float,
        schedule: Schedule,
        seen: Validation,
    ) -> ModelCard:
        """The card with what the training added to it."""
        return replace(
            self.card,
            training=record(
                self.card,
                self.dataset,
                self.train_split,
                extents_of(training),
                schedule,
                seconds,
                self.device,
            ),
            figures=seen.figures(self.validation_split),
            seconds_per_volume=round(seen.seconds, 2),
        )


def gathered(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of several networks as one model keeps them; of one network, its own."""
    if len(members) == 1:
        return dict(members[0])
    return {
        f"members.{k}.{name}": tensor
        for k, weights in enumerate(members)
        for name, tensor in weights.items()
    }


def check_tunable(card: ModelCard) -> None:
    """Refuse to fine-tune what is not trained as a segmenter.

    Raises:
        BadInput: The card has no network of its own, or one that does not segment.
    """
    if card.ensemble:
        raise BadInput(
            f"{card.title} is an ensemble of {', '.join(card.ensemble)} and has no network of "
            "its own to fine-tune.",
            "Fine-tune those models; the ensemble then answers with their newest versions.",
        )
    if card.kind != "segmentation":
        raise BadInput(
            f"{card.title} is for {card.kind} and is not fine-tuned as what segments.",
            "Use `verisim train-generator --from` for what makes cases, or `verisim train-clicks` "
            "for a new click network.",
        )
