"""What synthetic cases are worth to a segmenter, alone and beside real ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np

from verisim.card import ModelCard
from verisim.dataset import Case, Dataset
from verisim.ensembles import segmenter_of
from verisim.errors import BadInput
from verisim.files.atomic import make_folder
from verisim.fingerprint import fingerprint_of
from verisim.installed import find_cards
from verisim.metrics import Interval, bootstrap_mean, dice
from verisim.planning import make_plan
from verisim.progress import SILENT, Part, Progress, Share
from verisim.training.examples import Example, Reader, shelf
from verisim.training.fit import Fit
from verisim.training.schedule import Schedule

ARMS = ("real", "synthetic", "both")
"""What a segmenter may learn from."""

TRAINED = 95
"""Percent of the work of one row that is training; the rest is testing."""


@dataclass(frozen=True)
class Use:
    """One segmenter, tested on held-out real cases.

    Args:
        arm: What it learned from.
        seed: Of its training.
        real: How many real cases there were to learn from, whether it did or not.
        cases: How many it learned from.
        dice: Mean over the labels, of each held-out case.
        subjects: Whose body each is.
    """

    arm: str
    seed: int
    real: int
    cases: int
    dice: tuple[float, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class UseStudy:
    """Trains the same network for as many steps on each arm, and tests all alike.

    Where both kinds are learned from, the fewer are shown so much more often that either is half
    of it. The cases that test choose nothing: there is a single look at the end.

    Args:
        real: Real cases; learned from those of the split train, tested on those of val.
        made: Synthetic cases of the same labels.
        folder: Keeps what is trained; the same is not trained again.
        iterations: Of each training.
        mirrored_axes: Along which patches may be mirrored.
        device: Where to compute.
    """

    real: Dataset
    made: Dataset
    folder: Path
    iterations: int = 1200
    mirrored_axes: tuple[int, ...] = ()
    device: str = "cpu"

    def __call__(
        self, arms: Sequence[str] = ARMS, seeds: int = 1, progress: Progress = SILENT
    ) -> Iterator[Use]:
        """One row a training.

        Args:
            arms: Of `ARMS`.
            seeds: Trainings of each.
            progress: Hears of every step; may cancel between two.

        Raises:
            BadInput: The synthetic cases have other labels, or an arm is none.
        """
        _check(self.real, self.made, arms)
        plan = make_plan(fingerprint_of(self.real, "train"))
        card = replace(plan.card("use", plan.default.lighter()), mirrored_axes=self.mirrored_axes)
        both = self._together()
        for k, (seed, arm) in enumerate((s, a) for s in range(seeds) for a in arms):
            part = Part(progress, k, seeds * len(arms), "training")
            trained = self._trained(card, both, arm, seed, Share(part, 0, TRAINED))
            cases = both.split("val")
            found = tuple(_scores(trained, cases, self.device, Share(part, TRAINED, 100)))
            subjects = tuple(case.subject for case in cases)
            count = len(self.real.split("train"))
            yield Use(arm, seed, count, len(both.split(arm)), found, subjects)

    def _together(self) -> Dataset:
        """Real and synthetic cases in one data set, with a split for each arm."""
        real, held_out = self.real.split("train"), self.real.split("val")
        made = self.made.split("all")
        splits = {name: _names(cases) for name, cases in (("real", real), ("synthetic", made))}
        splits |= {"both": _names((*real, *made)), "val": _names(held_out)}
        return replace(self.real, cases=(*real, *made, *held_out), splits=splits)

    def _trained(
        self, card: ModelCard, both: Dataset, arm: str, seed: int, progress: Progress
    ) -> ModelCard:
        known = known_by(both.split(arm), self.iterations, self.mirrored_axes)
        own = replace(card, name=f"use-{arm}-s{seed}-{known}")
        models, run = self.folder / "models", self.folder / own.name
        present = find_cards(models).get(own.name) if models.is_dir() else None
        if present is not None:
            return present
        make_folder(run)
        schedule = Schedule(batch_size=2, seed=seed, decay="cosine").lasting(self.iterations, 1)
        fit = Fit(own, both, schedule, arm, "val", self.device)
        with shelf(run) as kept:
            reader = Reader(own)
            validation = reader.read(both.split("val"), kept, "val", progress)
            parts = [
                reader.read(dataset.split(split), kept, split, progress)
                for name, dataset, split in (
                    ("real", self.real, "train"),
                    ("synthetic", self.made, "all"),
                )
                if arm in (name, "both")
            ]
            return fit.fitted(balanced(parts), validation, run, models, progress)


@dataclass(frozen=True)
class Worth:
    """One arm over all its trainings.

    Args:
        real: How many real cases there were.
        arm: What was learned from.
        cases: How many.
        trainings: How many.
        dice: With a 95 % interval over subjects.
        share: Of what the real cases alone reach; nan where nobody learned from them.
        apart: From them, case by case; None of themselves.
    """

    real: int
    arm: str
    cases: int
    trainings: int
    dice: Interval
    share: float
    apart: Interval | None


def worth(rows: Sequence[Use]) -> list[Worth]:
    """Each arm beside the real cases alone, of as many of them."""
    found = []
    for real, arm in dict.fromkeys((row.real, row.arm) for row in rows):
        own, alone = _of(rows, real, arm), _of(rows, real, "real")
        scores = [score for row in own for score in row.dice]
        plain = [score for row in alone for score in row.dice]
        subjects = [who for row in own for who in row.subjects]
        paired = len(plain) == len(scores) and arm != "real"
        differences = [a - b for a, b in zip(scores, plain, strict=True)] if paired else []
        found.append(
            Worth(
                real,
                arm,
                own[0].cases,
                len(own),
                bootstrap_mean(scores, subjects),
                float(np.mean(scores) / np.mean(plain)) if plain else float("nan"),
                bootstrap_mean(differences, subjects) if paired else None,
            )
        )
    return found


def only_few(dataset: Dataset, count: int, seed: int = 0) -> Dataset:
    """The data set with so few of its cases to learn from; fewer are always among more.

    Raises:
        BadInput: It has not so many.
    """
    cases = dataset.split("train")
    if not 1 <= count <= len(cases):
        raise BadInput(
            f"{dataset.name} has {len(cases)} cases to learn from, not {count}.",
            f"Ask for 1 to {len(cases)} real cases.",
        )
    order = np.random.default_rng(seed).permutation(len(cases))[:count]
    kept = frozenset(cases[k].name for k in order)
    return replace(dataset, splits={**dataset.splits, "train": kept})


def known_by(cases: Sequence[Case], *words: object) -> str:
    """Twelve signs that are others as soon as cases, or how they are learned from, are others.

    Args:
        cases: Whose first images are looked at: when they were written.
        words: How they are learned from.
    """
    stamps = [(case.name, case.images[0].stat().st_mtime_ns) for case in cases]
    return hashlib.sha256(repr((*words, *stamps)).encode()).hexdigest()[:12]


def balanced(parts: Sequence[Sequence[Example]]) -> list[Example]:
    """All examples, those of the smaller part so often that it counts about as much."""
    most = max(len(part) for part in parts)
    return [one for part in parts for one in [*part] * max(1, ceil(most / len(part) - 0.5))]


def _scores(
    card: ModelCard, cases: Sequence[Case], device: str, progress: Progress
) -> Iterator[float]:
    segmenter = segmenter_of(card, device)
    for k, case in enumerate(cases):
        progress.advance(k, len(cases), "testing")
        volume, truth = case.pair(card.labels)
        found = segmenter(volume).label_map
        shared = [dice(found.binary(name), truth.binary(name)) for name in truth.labels]
        yield float(np.nanmean(shared))


def _check(real: Dataset, made: Dataset, arms: Sequence[str]) -> None:
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown or not arms:
        raise BadInput(
            f"Nothing can be learned from {', '.join(unknown) or 'nothing'}.",
            f"Choose from: {', '.join(ARMS)}.",
        )
    if dict(real.labels) != dict(made.labels):
        raise BadInput(
            f"The synthetic cases have the labels {dict(made.labels)}, {real.name} has "
            f"{dict(real.labels)}.",
            "Make them by a model of these labels.",
        )


def _of(rows: Sequence[Use], real: int, arm: str) -> list[Use]:
    return [row for row in rows if (row.real, row.arm) == (real, arm)]


def _names(cases: Sequence[Case]) -> frozenset[str]:
    return frozenset(case.name for case in cases)
