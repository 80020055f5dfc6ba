"""The table: both sides of each comparison, their ratios, and whether the claims hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import median

from rich.console import Console
from rich.table import Table

from beside_nnunet.agreement import Agreement, mean_dice, worst_dice
from beside_nnunet.measuring import KIND_OF_MEMORY, Run

WANTED_DICE = 0.999


@dataclass(frozen=True)
class Claim:
    """What is said of a comparison.

    Args:
        speed: Verisim is at least this many times as fast.
        memory: Its peak is at most this share of nnU-Net's; nan when memory is not compared.
    """

    speed: float
    memory: float = nan


COLD = Claim(speed=2.0, memory=0.6)
WARM = Claim(speed=1.3)


@dataclass(frozen=True)
class Side:
    """What one program needed.

    Args:
        way: How it was run.
        runs: In the order in which they alternated with those of the other side.
        peak_mb: The most memory of a run that was watched; nan without one.
    """

    way: str
    runs: tuple[Run, ...]
    peak_mb: float = nan

    @property
    def seconds(self) -> float:
        """Median wall time."""
        return median(run.seconds for run in self.runs)


@dataclass(frozen=True)
class Comparison:
    """Both programs on the same work.

    Args:
        what: The work, in words.
        mirroring: Whether both averaged over mirror images.
        nnunet: The peer; the better of its ways.
        verisim: Ours.
        agreements: One a case.
        claim: What is to be shown.
    """

    what: str
    mirroring: bool
    nnunet: Side
    verisim: Side
    agreements: tuple[Agreement, ...]
    claim: Claim

    @property
    def speed(self) -> float:
        """How many times as fast Verisim is: the median over pairs of runs in turn."""
        pairs = zip(self.nnunet.runs, self.verisim.runs, strict=True)
        return median(n.seconds / v.seconds for n, v in pairs)

    @property
    def effort(self) -> float:
        """How many times as much processor time nnU-Net needs; nan where it is not known."""
        pairs = zip(self.nnunet.runs, self.verisim.runs, strict=True)
        return median(n.cpu_seconds / v.cpu_seconds for n, v in pairs)

    @property
    def memory(self) -> float:
        """Verisim's peak as a share of nnU-Net's."""
        return self.verisim.peak_mb / self.nnunet.peak_mb

    @property
    def differing(self) -> int:
        """Voxels of all cases with another label."""
        return sum(a.differing for a in self.agreements)

    @property
    def voxels(self) -> int:
        """Voxels of all cases."""
        return sum(a.voxels for a in self.agreements)

    @property
    def verdicts(self) -> dict[str, bool]:
        """Each claim, and whether it holds."""
        found = {f"≥ {self.claim.speed:g}× as fast": self.speed >= self.claim.speed}
        if not isnan(self.claim.memory):
            share = f"≤ {self.claim.memory:.0%} of the memory"
            found[share] = self.memory <= self.claim.memory
        smallest = min(mean_dice(self.agreements).values(), default=1.0)
        return found | {f"Dice ≥ {WANTED_DICE:g}": smallest >= WANTED_DICE}


def tell(line: str) -> None:
    """Say what is done, beside the result."""
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)


def table(comparisons: Sequence[Comparison]) -> Table:
    """For a person."""
    shown = Table(
        "what",
        "nnU-Net (s)",
        "Verisim (s)",
        "faster",
        f"peak {KIND_OF_MEMORY} (MB)",
        "Dice",
        "differing voxels",
        "claims",
        title="median and (smallest to largest) wall time",
    )
    for comparison in comparisons:
        shown.add_row(*_cells(comparison), end_section=True)
    return shown


def facts(comparisons: Sequence[Comparison]) -> list[dict[str, object]]:
    """For a program."""
    return [
        {
            "what": c.what,
            "mirroring": c.mirroring,
            "nnunet": _side(c.nnunet),
            "verisim": _side(c.verisim),
            "times_as_fast": c.speed,
            "times_less_processor_time": _number(c.effort),
            "share_of_memory": _number(c.memory),
            "mean_dice": mean_dice(c.agreements),
            "worst_dice": worst_dice(c.agreements),
            "differing_voxels": c.differing,
            "voxels": c.voxels,
            "cases": [
                {
                    "case": a.case,
                    "dice": {name: _number(value) for name, value in a.dice.items()},
                    "differing_voxels": a.differing,
                    "voxels": a.voxels,
                }
                for a in c.agreements
            ],
            "claims": c.verdicts,
        }
        for c in comparisons
    ]


def _cells(comparison: Comparison) -> list[str]:
    memory = "–"
    if not isnan(comparison.memory):
        both = f"{comparison.nnunet.peak_mb:.0f} → {comparison.verisim.peak_mb:.0f}"
        memory = f"{both}\n{comparison.memory:.0%}"
    effort = f"{comparison.effort:.2f}× by processor time"
    means = [f"{name} {value:.4f}" for name, value in mean_dice(comparison.agreements).items()]
    return [
        f"{comparison.what}\nmirroring: {'yes' if comparison.mirroring else 'no'}",
        f"{_spread(comparison.nnunet)}\n{comparison.nnunet.way}",
        f"{_spread(comparison.verisim)}\n{comparison.verisim.way}",
        f"{comparison.speed:.2f}×" + ("" if isnan(comparison.effort) else f"\n{effort}"),
        memory,
        "\n".join([*means, f"worst {worst_dice(comparison.agreements):.4f}"]),
        f"{comparison.differing} of {comparison.voxels:,}",
        "\n".join(
            f"{'holds' if holds else 'FAILS'}: {claim}"
            for claim, holds in comparison.verdicts.items()
        ),
    ]


def _spread(side: Side) -> str:
    seconds = [run.seconds for run in side.runs]
    return f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def _side(side: Side) -> dict[str, object]:
    return {
        "way": side.way,
        "seconds": [run.seconds for run in side.runs],
        "cpu_seconds": [_number(run.cpu_seconds) for run in side.runs],
        "peak_mb": _number(side.peak_mb),
    }


def _number(value: float) -> float | None:
    """JSON has no word for nan."""
    return None if isnan(value) else value
