"""From labelled cases and a card without weights to a model that makes such cases."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from verisim.card import ModelCard, write_model
from verisim.dataset import Case, Dataset
from verisim.diffusion import Generation
from verisim.errors import BadInput
from verisim.files.atomic import clear_unfinished, make_folder
from verisim.memory import keep_freed
from verisim.networks.boxes import Boxes
from verisim.networks.case_diffusion import CaseGenerator
from verisim.networks.stylegan import Latents, StyleGenerator
from verisim.networks.weights import fill, weights_of
from verisim.planning.explain import sides
from verisim.precision import laid_out
from verisim.progress import SILENT, Progress
from verisim.training.augmentation import seeded
from verisim.training.budget import Pace, Work, fitting
from verisim.training.case_batches import CaseBatches
from verisim.training.closeness import closeness
from verisim.training.competing import Adversaries, of_generator
from verisim.training.distilling import Distilling, check_taught, check_told, distilling_of
from verisim.training.examples import Example, Reader, shelf
from verisim.training.loop import Loop
from verisim.training.objectives import Objective, objective_of
from verisim.training.record import extents_of, record
from verisim.training.schedule import Schedule
from verisim.training.told import NOTHING, UNTOLD, Telling, Told, continued, knowing

FEWEST_CASES = 5
"""From fewer a generator learns nothing but these cases."""

MOST_CUT_OFF = 0.5
"""Share of the cases that may be larger than a patch: of these only the middle is learned."""

LOOKS = 16
"""Batches of validation cases that are cleaned to see how good a generator is."""

MEASURED = 5
"""Steps that are timed to plan how many fit into some minutes."""

SAVING = 0.5
"""Seconds to write a checkpoint."""

SCORE_SEED = 1_000
"""The noise on validation cases is always the same."""


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
            schedule = learning.in_time(self.minutes, started) if self.minutes else self.schedule
            learning = replace(learning, schedule=schedule)
            trained = learning.loop(run_folder).run(learning.batches(), learning.score, progress)
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


@dataclass(frozen=True)
class Learning:
    """One network, what it learns from and what chooses its best weights.

    Args:
        card: The model; its weights, if it has any, are the start.
        learned_from: Cases that teach.
        chosen_on: Cases that choose.
        schedule: How long and how fast.
        device: Where to compute.
        told: What is told of the cases.
        teacher: What is distilled, if `card` is that of a student.
    """

    card: ModelCard
    learned_from: Sequence[Example]
    chosen_on: Sequence[Example]
    schedule: Schedule
    device: str = "cpu"
    told: Told = NOTHING
    teacher: ModelCard | None = None

    @property
    def knowing(self) -> ModelCard:
        """The card with the attributes that may be asked for afterwards: a student's stay."""
        return self.card if self.teacher else knowing(self.card, self.told.attributes)

    @cached_property
    def _distilling(self) -> Distilling | None:
        """What a student learns; its teacher is loaded once."""
        if self.teacher is None:
            return None
        return distilling_of(self.teacher, self.card, self.device, self.schedule.seed)

    def objective(self, seed: int) -> Objective:
        """What is learned, with noise of a seed."""
        if self._distilling is None:
            return objective_of(self.card, seed)
        return replace(self._distilling, seed=seed)

    def loop(self, folder: Path) -> Loop:
        """The loop at its beginning."""
        objective = self.objective(self.schedule.seed)
        return Loop(self.start(), objective, self.schedule, folder)

    def start(self) -> nn.Module:
        """The network as training begins: from the card's weights, or from the seed."""
        with seeded(self.schedule.seed):
            network = self.knowing.build()
        begun = self.teacher or self.card
        if begun.sha256 and isinstance(network, CaseGenerator):
            continued(begun, network)
        elif self.card.sha256:
            fill(network, weights_of(self.card.load()))
        assert isinstance(network, Boxes), "the card makes cases"
        network.remember([example.label.shape for example in self.learned_from])
        if isinstance(network, StyleGenerator):
            with seeded(self.schedule.seed):
                network = Adversaries.of(network)
        return laid_out(network.to(self.device), self.device)

    def batches(self) -> CaseBatches:
        """Slightly changed cases that teach."""
        return self._batches(self.learned_from, self.schedule.seed, changed=True)

    def score(self, network: nn.Module) -> float:
        """Minus the loss on validation cases, or the distance to them; always the same noise."""
        objective = self.objective(SCORE_SEED)
        batches = self._batches(self.chosen_on, SCORE_SEED, changed=False)
        network.eval()
        if isinstance(network, Adversaries):
            return closeness(network, batches, LOOKS, SCORE_SEED)
        with torch.inference_mode():
            losses = [objective(network, batches(k), k).item() for k in range(LOOKS)]
        return -sum(losses) / len(losses)

    def in_time(self, minutes: float, started: float) -> Schedule:
        """The schedule that ends in time; measures some steps.

        Args:
            minutes: All that there is.
            started: `time.monotonic()` when they began.
        """
        with tempfile.TemporaryDirectory() as folder:
            loop, batches = self.loop(Path(folder)), self.batches()
            loop.step(batches(0))
            begun = time.monotonic()
            for k in range(MEASURED):
                loop.step(batches(1 + k))
            step = (time.monotonic() - begun) / MEASURED
            begun = time.monotonic()
            self.score(loop.network)
            look = time.monotonic() - begun
        left = 60 * minutes - (time.monotonic() - started)
        return fitting(Pace(0.0, step, 0.0, look + SAVING), Work((), ()), self.schedule, left)

    def _batches(self, examples: Sequence[Example], seed: int, changed: bool) -> CaseBatches:
        card = self.card
        size, axes = self.schedule.batch_size, card.mirrored_axes
        return CaseBatches(
            examples, size, card.patch_size, card.classes, axes, seed, changed, self.told
        )


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
