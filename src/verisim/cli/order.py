"""What a person asked `verisim train` for, and how it is carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from verisim.card import ModelCard
from verisim.cli.terminal import COUNT, Terminal
from verisim.cross_validation import CrossValidation, answers_in
from verisim.dataset import Dataset
from verisim.errors import BadInput, NotFound
from verisim.files.atomic import clear_unfinished
from verisim.fingerprint import fingerprint_of
from verisim.installed import SHIPPED_MODELS, find_card, next_version
from verisim.planning import Configuration, Plan, make_plan, read_plan
from verisim.progress import Progress
from verisim.subjects import FOLDS
from verisim.training.budget import (
    Candidate,
    Planned,
    Work,
    lightened,
    plan_for,
    read_planned,
    write_planned,
)
from verisim.training.fit import Fit, Improvement, check_tunable
from verisim.training.kinds import NetworkKind, of_kind
from verisim.training.schedule import Schedule

AXES = "xyz"

PLAN = "plan.toml"
"""The plan that a run goes by, in its folder."""


@dataclass(frozen=True)
class Wish:
    """The new model that is wanted.

    Args:
        name: Lower case with dashes.
        description: What it is for; empty for the plan's own words.
        plan: "auto", or a file.
        configuration: One of the plan's; empty for its default.
        previous: Name of the first stage of a cascade; empty for none.
        light: Whether to take fewer features and a smaller batch; None to decide by the device.
        mirror: Axes that augmentation mirrors, or "none".
        batch_size: Patches a step; None for the plan's.
        network: What kind.
    """

    name: str
    description: str
    plan: str
    configuration: str
    previous: str
    light: bool | None
    mirror: str
    batch_size: int | None
    network: NetworkKind = "unet"

    def candidates(self, plan: Plan, version: int) -> tuple[Candidate, Candidate]:
        """The plan's own network, and a lighter one."""
        own = plan.configuration(self.configuration) if self.configuration else plan.default
        return self._candidate(plan, own, version), self._candidate(plan, own.lighter(), version)

    def _candidate(self, plan: Plan, configuration: Configuration, version: int) -> Candidate:
        card = of_kind(plan.card(self.name, configuration, self.previous), self.network)
        axes = mirrored_axes(self.mirror, card.patch_size)
        described = replace(
            card,
            version=version,
            description=self.description or card.description,
            mirrored_axes=axes,
        )
        return Candidate(described, self.batch_size or configuration.batch_size)


def mirrored_axes(mirror: str, patch_size: Sequence[int]) -> tuple[int, ...]:
    """The axes that "xyz", "x", … or "none" names, but those along which a patch is one voxel.

    Raises:
        BadInput: It names none.
    """
    letters = "" if mirror == "none" else mirror
    if set(letters) - set(AXES):
        raise BadInput(f"{mirror!r} names no axes to mirror.", "Say xyz, x, y, z, xy, … or none.")
    return tuple(k for k, letter in enumerate(AXES) if letter in letters and patch_size[k] > 1)


@dataclass(frozen=True)
class Order:
    """How a model is trained.

    Args:
        terminal: Where the person reads.
        dataset: What to learn from.
        schedule: How long and how fast, unless minutes are given.
        fold: "none", "all", or the number of one.
        train_split: Cases to learn from; empty to decide by the data set.
        val_split: Cases that choose the best weights where there are no folds.
        run: Folder of checkpoint and curves; None for one named after the model.
        device: Where to compute.
        models: Folder of the person's own models.
        minutes: In which all shall end, if given.
        started: `time.monotonic()` when they began.
    """

    terminal: Terminal
    dataset: Dataset
    schedule: Schedule
    fold: str
    train_split: str
    val_split: str
    run: Path | None
    device: str
    models: Path
    minutes: float | None
    started: float

    def train(self, wish: Wish) -> None:
        """Plan, train, write and show a new model."""
        version = next_version(wish.name, SHIPPED_MODELS, self.models)
        folder = self.run or Path("runs") / f"{wish.name}-v{version}"
        work, before = self._work, self._before(wish.previous)
        plan = self._plan(wish, folder)
        candidates = wish.candidates(plan, version)
        clear_unfinished(folder, PLAN)
        plan.write(folder / PLAN)
        own_folder = folder if self._number is None else folder / f"fold{self._number}"
        candidate, schedule = self._chosen(wish, candidates, work, own_folder)
        self.terminal.note(f"Checkpoint and curves are in {own_folder}; {SAME_COMMAND}")
        with self.terminal.warnings_as_notes(), self.terminal.progress("train", COUNT) as progress:
            card = self._trained(candidate.card, schedule, before, folder, progress)
        self._show(card, folder)

    def improve(self, name: str) -> None:
        """Fine-tune a model, write its next version unless that is worse, and show it."""
        present = find_card(name, SHIPPED_MODELS, self.models)
        check_tunable(present)
        if self.fold != "none":
            raise BadInput(
                "Folds are for new models, --from fine-tunes one.", "Leave --fold away."
            )
        folder = self.run or Path("runs") / f"{present.name}-v{present.version + 1}"
        batch = present.training.batch_size if present.training else self.schedule.batch_size
        schedule = replace(self.schedule, batch_size=batch)
        if self.minutes is not None or read_planned(folder):
            work = replace(self._work, trainings=present.members)
            planned = self._planned((Candidate(present, batch),), work, folder)
            schedule = replace(
                planned.schedule, iterations=planned.schedule.iterations * present.members
            )
        fit = Fit(present, self.dataset, schedule, self._split, self.val_split, self.device)
        self.terminal.note(f"Checkpoint and curves are in {folder}; {SAME_COMMAND}")
        with self.terminal.warnings_as_notes(), self.terminal.progress("train", COUNT) as progress:
            came = fit.improve(folder, self.models, progress)
        if not came.improved:
            self.terminal.note(_worse(came))
        self._show(came.card, folder, came.improved)

    @property
    def _number(self) -> int | None:
        """Of the one fold that is wanted."""
        return int(self.fold) if self.fold.isdigit() else None

    @property
    def _split(self) -> str:
        """Folds of data without splits are dealt out of all cases."""
        by_folds = self.fold != "none" and self.dataset.drawn
        return self.train_split or ("all" if by_folds else "train")

    @cached_property
    def _work(self) -> Work:
        """What is to be trained; refuses what does not exist."""
        if self.fold == "none":
            teaching, held_out = (self.dataset.split(s) for s in (self._split, self.val_split))
            return Work(teaching, held_out)
        if self.fold != "all" and (self._number is None or self._number >= FOLDS):
            raise BadInput(
                f"There is no fold {self.fold!r}.", f"Say 0 to {FOLDS - 1}, all, or none."
            )
        first = self.dataset.folds(FOLDS, self._split)[0]
        return Work(first.training, first.validation, FOLDS if self.fold == "all" else 1)

    def _before(self, previous: str) -> Mapping[str, Path]:
        """What the first stage of a cascade answered when it was cross-validated."""
        if not previous:
            return {}
        card = find_card(previous, SHIPPED_MODELS, self.models)
        folder = Path("runs") / f"{card.name}-v{card.version}"
        answers = answers_in(folder)
        if not answers:
            raise NotFound(
                f"{folder} holds no answers of {card.title} to cases it did not learn from.",
                f"Train {previous} with --fold all first, and start in the same folder.",
            )
        return answers

    def _plan(self, wish: Wish, folder: Path) -> Plan:
        """The person's plan, that of the run, or a new one."""
        if wish.plan != "auto":
            return read_plan(Path(wish.plan))
        if (folder / PLAN).is_file():
            return read_plan(folder / PLAN)
        with self.terminal.warnings_as_notes(), self.terminal.progress("look", COUNT) as progress:
            return make_plan(fingerprint_of(self.dataset, "all", progress))

    def _chosen(
        self, wish: Wish, candidates: tuple[Candidate, Candidate], work: Work, folder: Path
    ) -> tuple[Candidate, Schedule]:
        """The plan's own network or the lighter one, and for how long."""
        own, lighter = candidates
        if self.minutes is not None or read_planned(folder):
            tried = candidates if wish.light is None else ((own, lighter)[wish.light],)
            planned = self._planned(tried, work, folder)
            return tried[-1 if planned.lighter else 0], planned.schedule
        light = self.device == "cpu" and wish.plan == "auto"
        chosen = lighter if (light if wish.light is None else wish.light) else own
        if chosen.card.network != own.card.network:
            self.terminal.note(
                f"{', '.join(lightened(own, chosen))}, which a processor trains in hours; "
                "--full takes the plan's own network."
            )
        return chosen, replace(self.schedule, batch_size=chosen.batch_size)

    def _trained(
        self,
        card: ModelCard,
        schedule: Schedule,
        before: Mapping[str, Path],
        folder: Path,
        progress: Progress,
    ) -> ModelCard:
        """The model of the training and validation split, of one fold, or of all."""
        split, device = self._split, self.device
        if self.fold == "none":
            fit = Fit(card, self.dataset, schedule, split, self.val_split, device, before)
            return fit(folder, self.models, progress)
        folds = CrossValidation(card, self.dataset, schedule, split, FOLDS, device, before)
        if self._number is None:
            return folds(folder, self.models, progress)
        return folds.single(self._number, folder, self.models, progress)

    def _planned(self, candidates: tuple[Candidate, ...], work: Work, folder: Path) -> Planned:
        """The schedule that the run began with, or a new one, kept for when it is resumed."""
        planned = read_planned(folder)
        if planned is None:
            minutes = self.minutes or 0.0
            self.terminal.note(f"Measuring this machine, to end in {minutes:g} minutes.")
            planned = plan_for(minutes, self.started, candidates, work, self.schedule, self.device)
            write_planned(planned, folder)
        self.terminal.note(f"Planned for {planned.minutes:g} minutes: {planned.gives_up}.")
        return planned

    def _show(self, card: ModelCard, folder: Path, written: bool = True) -> None:
        figures = ", ".join(f"{key} {value:g}" for key, value in card.figures.items())
        lines = (f"{card.title}: {figures}", f"weights: {card.weights_path}")
        self.terminal.answer({"model": card, "written": written, "run": folder}, *lines)


SAME_COMMAND = "the same command continues the run."


def _worse(improvement: Improvement) -> str:
    return (
        f"{improvement.card.title} stays: its validation Dice is {improvement.before:.4f}, "
        f"that of the new weights {improvement.after:.4f}."
    )
