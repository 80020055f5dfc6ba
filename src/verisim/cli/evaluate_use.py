"""`verisim evaluate-use`: what synthetic cases are worth to a segmenter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from verisim.cli.options import AsJson, Device, SubjectPattern
from verisim.cli.terminal import PERCENT, Terminal
from verisim.errors import BadInput

if TYPE_CHECKING:
    from verisim.dataset import Dataset
    from verisim.metrics import Interval
    from verisim.synthesis.use import Use, UseStudy, Worth

ARMS = "real,synthetic,both"
FEW_ARMS = "real,both"
"""With few real cases those made of them do not stand alone."""

ITERATIONS, WORK = 1200, Path("runs/use")
"""When nothing else is said."""


def evaluate_use(
    real: Annotated[Path, typer.Argument(help="Data set of real cases, with held-out ones.")],
    synthetic: Annotated[
        Path | None, typer.Option(help="Folder that `verisim synthesize` wrote.")
    ] = None,
    real_cases: Annotated[
        str,
        typer.Option(
            help="In place of --synthetic: so few real cases to learn from, separated by commas; "
            "a generator learns from the same."
        ),
    ] = "",
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, help="Synthetic cases made of a few real ones.")
    ] = 100,
    generator: Annotated[
        Literal["diffusion", "random-contrast"],
        typer.Option(help="What makes cases of a few real ones; random-contrast learns nothing."),
    ] = "diffusion",
    generator_minutes: Annotated[
        float | None, typer.Option(min=0.05, help="For each generator to learn in.")
    ] = None,
    generator_iterations: Annotated[
        int, typer.Option(min=1, help="Optimizer steps of each generator, if no minutes are said.")
    ] = 3000,
    arms: Annotated[
        str, typer.Option(help=f"What is learned from. [{ARMS}; of few: {FEW_ARMS}]")
    ] = "",
    iterations: Annotated[
        int, typer.Option(min=1, help="Optimizer steps of each segmenter.")
    ] = ITERATIONS,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each arm.")] = 1,
    mirror: Annotated[
        str, typer.Option(help="Axes along which segmenters may mirror their patches.")
    ] = "none",
    work: Annotated[
        Path, typer.Option(help="Keeps what is trained; the same is not trained again.")
    ] = WORK,
    subject_pattern: SubjectPattern = "",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train the same segmenter on real cases, synthetic ones and both; test on held-out real ones.

    Differences from the real cases alone are taken case by case, with 95 % intervals over
    subjects. A number of --real-cases trains a generator on these few alone.
    """
    from verisim.dataset import open_dataset
    from verisim.devices import choose
    from verisim.synthesis.use import worth

    if (synthetic is None) == (not real_cases):
        raise BadInput(
            "Say either --synthetic, for cases that were made, or --real-cases, for how few real "
            "ones to make them of.",
            "For example: verisim evaluate-use DATA --synthetic synthetic",
        )
    terminal = Terminal(as_json)
    with terminal.warnings_as_notes():
        opened = open_dataset(real, subject_pattern)
        made = open_dataset(synthetic) if synthetic else None
    study = Study(terminal, work, iterations, seeds, mirror, choose(device))
    wanted = (arms or (ARMS if made else FEW_ARMS)).split(",")
    if made:
        rows = study.of(opened, made, wanted)
    else:
        few = Few(count, generator, generator_minutes, generator_iterations)
        rows = [row for n in numbers(real_cases) for row in study.of_few(opened, n, few, wanted)]
    terminal.answer({"use": rows, "arms": worth(rows)}, use_table(rows))


@dataclass(frozen=True)
class Few:
    """What is made of a few real cases.

    Args:
        count: Synthetic cases.
        generator: diffusion or random-contrast.
        minutes: For it to learn in; None: the iterations say it.
        iterations: Of its training.
    """

    count: int
    generator: str
    minutes: float | None
    iterations: int


@dataclass(frozen=True)
class Study:
    """How segmenters are trained, and where the person reads.

    Args:
        terminal: Where the person reads.
        work: Keeps what is trained.
        iterations: Of each segmenter.
        seeds: Trainings of each arm.
        mirror: Axes, as the person wrote them.
        device: Where to compute.
    """

    terminal: Terminal
    work: Path
    iterations: int
    seeds: int
    mirror: str
    device: str

    def of(self, real: Dataset, made: Dataset, arms: Sequence[str]) -> list[Use]:
        """All trainings."""
        rows = []
        with self.terminal.progress("train", PERCENT) as progress:
            for row in self._study(real, made)(arms, self.seeds, progress):
                rows.append(row)
                mean = sum(row.dice) / len(row.dice)
                self.terminal.note(
                    f"{row.real} real, {row.arm}, training {row.seed + 1}: Dice {mean:.4f}"
                )
        return rows

    def of_few(self, real: Dataset, count: int, few: Few, arms: Sequence[str]) -> list[Use]:
        """All trainings with so few real cases."""
        from verisim.synthesis.use import only_few

        own = only_few(real, count)
        return self.of(own, self._made(own, count, few), arms)

    def _made(self, own: Dataset, count: int, few: Few) -> Dataset:
        from verisim.synthesis.from_few import FromFew, by_chance
        from verisim.synthesis.use import known_by

        known = known_by(own.split("train"), few, self.mirror)
        folder = self.work / f"{few.generator}-{count}-{known}"
        with self.terminal.progress("make", PERCENT) as progress:
            if few.generator == "random-contrast":
                return by_chance(own, folder, few.count, progress)
            length = few.minutes, few.iterations
            maker = FromFew(own, folder, *length, self._axes(), self.device)
            return maker(few.count, progress)

    def _study(self, real: Dataset, made: Dataset) -> UseStudy:
        from verisim.synthesis.use import UseStudy

        return UseStudy(real, made, self.work, self.iterations, self._axes(), self.device)

    def _axes(self) -> tuple[int, ...]:
        from verisim.cli.order import mirrored_axes

        return mirrored_axes(self.mirror, (2, 2, 2))


def numbers(text: str) -> list[int]:
    """Numbers of cases that a person wrote.

    Raises:
        BadInput: They are none.
    """
    found = text.replace(" ", ",").split(",")
    if not all(one.isdigit() and int(one) > 0 for one in found):
        raise BadInput(f"{text!r} are no numbers of cases.", "Write for example 5,10,20.")
    return [int(one) for one in found]


def use_of(terminal: Terminal, real: Path, synthetic: Path, device: str) -> list[Use]:
    """What cases are worth that were just made, as `verisim evaluate-use` says when not asked
    otherwise."""
    from verisim.dataset import open_dataset

    with terminal.warnings_as_notes():
        opened, made = open_dataset(real), open_dataset(synthetic)
    study = Study(terminal, WORK, ITERATIONS, 1, "none", device)
    return study.of(opened, made, ARMS.split(","))


def use_table(rows: Sequence[Use]) -> Table:
    """For a person: each arm beside the real cases alone."""
    from verisim.synthesis.use import worth

    table = Table("real cases", "learned from", "cases", "trainings", "Dice", "of real", "apart")
    for one in worth(rows):
        table.add_row(*_cells(one))
    return table


def _cells(one: Worth) -> Iterator[str]:
    yield from (str(one.real), one.arm, str(one.cases), str(one.trainings))
    yield _shown(one.dice, ".4f")
    yield f"{one.share:.1%}"
    yield _shown(one.apart, "+.4f") if one.apart else ""


def _shown(interval: Interval, style: str) -> str:
    low, high = (format(bound, style) for bound in (interval.low, interval.high))
    return f"{interval.mean:{style}} ({low} to {high})"
