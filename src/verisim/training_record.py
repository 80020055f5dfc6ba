"""Where a model's knowledge comes from, as its card tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingRecord:
    """Where a model's knowledge comes from.

    Args:
        data: Name of the data set.
        licence: Its licence.
        split: Which cases were learned from.
        cases: How many.
        seed: Seed of every random choice.
        date: ISO date of the training's end.
        iterations: Optimizer steps.
        batch_size: Patches a step.
        seconds: Wall time.
        device: What it ran on.
        initialized_from: Name and version of the model that was fine-tuned; empty for none.
        fingerprint: Of a generator's training cases: a checksum that names nobody.
        extent_mm: Smallest and largest box of a training volume along the network's axes.
    """

    data: str
    licence: str
    split: str
    cases: int
    seed: int
    date: str
    iterations: int
    batch_size: int
    seconds: float
    device: str
    extent_mm: tuple[tuple[float, float, float], tuple[float, float, float]]
    initialized_from: str = ""
    fingerprint: str = ""
