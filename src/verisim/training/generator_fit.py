"""From labelled cases and a card without weights to a model that makes such cases."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from verisim.card import ModelCard, write_model
from verisim.dataset import Case, Dataset
from verisim.diffusion import Generation
from verisim.errors import BadInput
from verisim.files.atomic import clear_unfinished, make_folder
from verisim.memory import keep_freed
from verisim.networks.stylegan import Latents
from verisim.planning.explain import sides
from verisim.progress import SILENT, Progress
from verisim.training.competing import of_generator
from verisim.training.distilling import check_taught, check_told
from verisim.training.examples import Example, Reader, shelf
from verisim.training.learning import Learning
from verisim.training.loop import Trained
from verisim.training.record import extents_of, record
from verisim.training.schedule import Schedule
from verisim.training.told import UNTOLD, Telling

FEWEST_CASES = 5
"""From fewer a generator learns nothing but these cases."""

MOST_CUT_OFF = 0.5
"""Share of the cases that may be larger than a patch: of these only the middle is learned."""


@dataclass(frozen=True)
class GeneratorFit:
    """One training of one generator on one data set.

    Args:
        card: What to train; its weights, if it has any, are the start.
        dataset: Where to learn from.
        schedule: How long and how fast.
        train_split: Cases to learn from.
        validation_split: Cases that choose the best weights.
        device: Where to compute.
        minutes: In which the training shall end, reading included; None: the schedule says it.
        telling: Where the attributes come from that may be asked for afterwards.
        teacher: What is distilled, if `card` is that of a student.
    """

    card: ModelCard
    dataset: Dataset
    schedule: Schedule
    train_split: str = "train"
    validation_split: str = "val"
    device: str = "cpu"
    minutes: float | None = None
    telling: Telling = UNTOLD
    teacher: ModelCard | None = None

    def __call__(
        self, run_folder: Path, model_folder: Path, progress: Progress = SILENT
    ) -> ModelCard:
        """Train, and write the best weights with their card.

        Args:
            run_folder: Receives checkpoint and curves; a run found there is continued.
            model_folder: Receives the model.
            progress: Hears of every step.

        Raises:
            BadInput: Fewer than 5 cases, cases larger than a patch, or attributes that cannot be
                learned.
            Diverged: The loss became a number that is none; the last checkpoint is kept.
        """
        started = time.monotonic()
        check_taught(self.card, self.teacher)
        begun = self.teacher or self.card
        teaching = self.dataset.split(self.train_split)
        check_enough(teaching, self.train_split)
        by_hand = self.telling.by_hand(self.dataset, self.train_split, self.validation_split)
        self.telling.check(self.card)
        keep_freed()
        make_folder(run_folder)
        clear_unfinished(run_folder)
        with shelf(run_folder) as kept:
            reader = Reader(self.card)
            training = reader.read(teaching, kept, self.train_split, progress)
            check_fit(self.card, training)
            held_out = reader.read(
                self.dataset.split(self.validation_split), kept, self.validation_split, progress
            )
            told = by_hand.beside(self.telling.by_images(training, held_out))
            check_told(self.teacher, told)
            learning = Learning(
                self.card, training, held_out, self.schedule, self.device, told, self.teacher
            )
            trained, schedule = self._learned(learning, run_folder, started, progress)
            seen, spent = extents_of(training), trained.seconds
            about = record(
                begun, self.dataset, self.train_split, seen, schedule, spent, self.device
            )
            about = replace(about, fingerprint=fingerprint_of(training))
        measure = "loss" if isinstance(self.card.generation, Generation) else "distance"
        figures = {f"{measure}.{self.validation_split}": round(-trained.score, 4)}
        version = self.card.version + bool(self.card.sha256)
        described = replace(learning.knowing, training=about, figures=figures, version=version)
        clear_unfinished(model_folder, described.weights_path.name)
        return write_model(described, of_generator(trained.weights), model_folder)

    def _learned(
        self, learning: Learning, run_folder: Path, started: float, progress: Progress
    ) -> tuple[Trained, Schedule]:
        """What the training leaves, and by which schedule.

        Args:
            learning: All but its length.
            run_folder: Receives checkpoint and curves.
            started: `time.monotonic()` when the minutes began.
            progress: Hears of every step.
        """
        schedule = learning.in_time(self.minutes, started) if self.minutes else self.schedule
        learning = replace(learning, schedule=schedule)
        loop = learning.loop(run_folder)
        return loop.run(learning.batches(), learning.score, progress), schedule


def schedule_of(card: ModelCard, schedule: Schedule) -> Schedule:
    """The schedule as suits a generator: a StyleGAN's rivals must not look back at gradients."""
    if isinstance(card.generation, Latents):
        return replace(schedule, decay="none", weight_decay=0.0, memory=(0.0, 0.99))
    return replace(schedule, decay="cosine")


def fingerprint_of(examples: Sequence[Example]) -> str:
    """A checksum of what is learned from, in whatever order, without a name."""
    digests = sorted(
        hashlib.sha256(example.image.tobytes() + example.label.tobytes()).digest()
        for example in examples
    )
    return hashlib.sha256(b"".join(digests)).hexdigest()


def check_enough(cases: Sequence[Case], split: str) -> None:
    """Refuse so few cases that a generator could only repeat them.

    Raises:
        BadInput: Fewer than 5.
    """
    if len(cases) < FEWEST_CASES:
        raise BadInput(
            f"The split {split} has {len(cases)} case(s): a generator could only repeat them.",
            f"Give it {FEWEST_CASES} cases at least; hundreds are better.",
        )


def check_fit(card: ModelCard, examples: Sequence[Example]) -> None:
    """Refuse cases of which most are larger than what the network makes.

    Raises:
        BadInput: They are.
    """
    larger = [
        example
        for example in examples
        if any(n > side > 1 for n, side in zip(example.label.shape, card.patch_size, strict=True))
    ]
    if len(larger) > MOST_CUT_OFF * len(examples):
        raise BadInput(
            f"{len(larger)} of {len(examples)} cases are larger than the "
            f"{sides(card.patch_size)} voxels that {card.name} makes; {larger[0].name} has "
            f"{sides(larger[0].label.shape)}.",
            "Plan a coarser grid (--configuration 3d_lowres), or crop the cases.",
        )
