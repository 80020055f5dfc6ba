"""A schedule that ends in the minutes a person has, planned on the machine at hand."""

from __future__ import annotations

import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tomli_w
from pydantic import TypeAdapter, ValidationError

from verisim.card import ModelCard
from verisim.dataset import Case
from verisim.errors import Conflict
from verisim.files.atomic import clear_unfinished, make_folder, replacing
from verisim.networks.clicks import ClickUNet
from verisim.networks.random_contrast import RandomContrast
from verisim.training.ahead import batches_ahead, workers_for
from verisim.training.examples import Reader, Shelf
from verisim.training.member import Member
from verisim.training.schedule import Schedule
from verisim.training.validation import validate

NNUNET_ITERATIONS = 250_000
"""1000 epochs of 250 steps."""

FEWEST_STEPS = 2000
"""A network that gets fewer gives way to a lighter one, which learns more in the same time."""

MOST_LOOKS, LOOKING_SHARE = 20, 0.1
"""Validations of a training, and the share of its time that they may take."""

MEASURING_SHARE, FEWEST_MEASURED, MOST_MEASURED = 0.02, 3, 20
"""Steps are measured for this share of the time, but so many at least and at most."""

TRIED_CASES = 4
"""Cases on which the machine is measured."""

FILE_NAME = "schedule.toml"


@dataclass(frozen=True)
class Candidate:
    """A network that might be trained.

    Args:
        card: Untrained, or the one to fine-tune.
        batch_size: Patches a step.
    """

    card: ModelCard
    batch_size: int


@dataclass(frozen=True)
class Work:
    """What has to be done in the time.

    Args:
        teaching: Cases a network learns from.
        held_out: Cases it is validated on.
        trainings: Networks that are trained one after the other.
    """

    teaching: Sequence[Case]
    held_out: Sequence[Case]
    trainings: int = 1

    @property
    def reading(self) -> int:
        """Cases that are read before the first step."""
        return len(self.teaching) + len(self.held_out)


@dataclass(frozen=True)
class Pace:
    """How fast a machine is, in seconds.

    Args:
        reading: To read and preprocess a case.
        step: Of the optimizer.
        look: To segment a validation case.
        saving: To write a checkpoint.
    """

    reading: float
    step: float
    look: float
    saving: float


@dataclass(frozen=True)
class Planned:
    """A schedule that was planned to end in time.

    Args:
        minutes: The time, from the start of the command.
        lighter: Whether the plan's lighter network is trained.
        gives_up: What was given up, in a sentence.
        schedule: Of each network.
    """

    minutes: float
    lighter: bool
    gives_up: str
    schedule: Schedule


def plan_for(
    minutes: float,
    started: float,
    candidates: Sequence[Candidate],
    work: Work,
    schedule: Schedule,
    device: str = "cpu",
) -> Planned:
    """Measure the machine and plan as many steps as fit.

    A candidate that would get fewer than 2000 steps gives way to the next.

    Args:
        minutes: All that there is.
        started: `time.monotonic()` when they began.
        candidates: The plan's own network, then lighter ones.
        work: What has to be done.
        schedule: All but its length and its batch.
        device: Where to compute.
    """
    for candidate in candidates:
        asked = replace(schedule, batch_size=candidate.batch_size)
        deadline = started + 60 * minutes
        last = candidate is candidates[-1]
        pace = measured(candidate.card, work, asked, device, deadline, hasty=not last)
        fitted = fitting(pace, work, asked, deadline - time.monotonic())
        if last or fitted.iterations >= FEWEST_STEPS:
            break
    return Planned(
        minutes,
        candidate is not candidates[0],
        _given_up(candidates[0], candidate, fitted),
        fitted,
    )


def fitting(pace: Pace, work: Work, schedule: Schedule, seconds: float) -> Schedule:
    """The schedule of each training that lets all of them end in time.

    Args:
        pace: Of the machine.
        work: What has to be done.
        schedule: All but its length.
        seconds: What is left.
    """
    each = (seconds - pace.reading * work.reading) / work.trainings
    look = pace.look * len(work.held_out) + pace.saving
    # in the end the best weights are measured once more, and answer once on the cases' own voxels
    end = 2 * pace.look * len(work.held_out) + pace.reading * len(work.held_out)
    looks = max(1, min(MOST_LOOKS, int(LOOKING_SHARE * each / look)))
    steps = int((each - end - looks * look) / pace.step)
    return schedule.lasting(steps, looks)


def measured(
    card: ModelCard,
    work: Work,
    schedule: Schedule,
    device: str,
    deadline: float,
    hasty: bool = False,
) -> Pace:
    """Read some cases, take some steps, and look at a validation case.

    Args:
        card: What would be trained.
        work: What has to be done.
        schedule: With the batch.
        device: Where to compute.
        deadline: `time.monotonic()` at the end of the time.
        hasty: Whether to stop after one step if the candidate is much too slow.
    """
    teaching, held_out = _some(work.teaching, TRIED_CASES), _some(work.held_out, 1)
    single = replace(card, previous="") if card.previous else card
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder), float("inf"))
        reader = Reader(single)
        examples, tried = reader.read(teaching, shelf, ""), reader.read(held_out, shelf, "")
        reading = (time.monotonic() - started) / (len(teaching) + len(held_out))
        member = Member(single, examples, tried, schedule, device)
        loop = member.loop(Path(folder))
        most = 1 + MOST_MEASURED
        upcoming = batches_ahead(member.batches(), 0, most, workers_for(device))

        def step() -> None:
            loop.step(next(upcoming))

        first = _seconds(step)
        left = max(1.0, deadline - time.monotonic())
        enough = max(FEWEST_MEASURED, min(MOST_MEASURED, int(MEASURING_SHARE * left / first)))
        if hasty and first * FEWEST_STEPS * work.trainings > 2 * left:
            enough = 0
        steps = [_seconds(step) for _ in range(enough)]
        upcoming.close()
        saving = _seconds(loop.save)
        network = single.build().to(device)
        look = _seconds(lambda: validate(network, single, tried, device))
    return Pace(reading, sum(steps) / enough if enough else first, look / len(tried), saving)


def write_planned(planned: Planned, folder: Path) -> None:
    """Keep the schedule beside the run, so that a resumed run has the same."""
    make_folder(folder)
    clear_unfinished(folder, FILE_NAME)
    with replacing(folder / FILE_NAME) as temporary:
        temporary.write_text(tomli_w.dumps(asdict(planned)), encoding="utf-8")


def read_planned(folder: Path) -> Planned | None:
    """The schedule that was planned for a run, if there is one.

    Raises:
        Conflict: The file is not what was written.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(Planned).validate_python(fields)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise Conflict(
            f"The run in {folder} cannot be continued: its {FILE_NAME} is damaged.",
            "Choose another folder for the run, or remove this one.",
        ) from error


def lightened(own: Candidate, chosen: Candidate) -> tuple[str, ...]:
    """What a lighter network gives up, e.g. "16 instead of 32 features"."""
    before, after = (_features(one.card) for one in (own, chosen))
    features = f"{after} instead of {before} features"
    batch = f"batch {chosen.batch_size} instead of {own.batch_size}"
    fewer = chosen.batch_size != own.batch_size
    return (*[features] * (after != before), *[batch] * fewer)


def _given_up(own: Candidate, chosen: Candidate, schedule: Schedule) -> str:
    steps = f"{schedule.iterations:,} iterations instead of nnU-Net's {NNUNET_ITERATIONS:,}"
    return ", ".join([*lightened(own, chosen), steps])


def _some(cases: Sequence[Case], count: int) -> list[Case]:
    """Evenly spread over all."""
    step = max(1, len(cases) // count)
    return list(cases[::step][:count])


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _features(card: ModelCard) -> int:
    assert not isinstance(card.network, RandomContrast | ClickUNet), "it is trained in minutes"
    return card.network.features[0]
