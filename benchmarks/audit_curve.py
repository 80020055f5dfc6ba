"""Cost of the audit's engine against the number of training images and of queries."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from verisim.audit.engine import Engine
from verisim.audit.prepared import Prepared

SHARES = (0.125, 0.25, 0.5, 1.0)
LEAST = 0.9

WAYS = {
    "every product": (False, -1.0),
    "pruned, every nearest": (True, -1.0),
    f"pruned, copies above {LEAST}": (True, LEAST),
}
"""Whether bounds are used, and what is of interest."""


def draw_curve(path: Path, training: np.ndarray, queries: np.ndarray, device: str) -> None:
    """Print the table and draw it."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for panel, name, whole in zip(
        panels, ("training images", "queries"), (training, queries), strict=True
    ):
        places = [int(share * len(whole)) for share in SHARES]
        for way, (pruned, least) in WAYS.items():
            seconds = [
                _seconds(training[:n], queries, device, pruned, least)
                if whole is training
                else _seconds(training, queries[:n], device, pruned, least)
                for n in places
            ]
            panel.plot(places, seconds, "o-", label=way)
            told = ", ".join(f"{n}: {s:.2f}" for n, s in zip(places, seconds, strict=True))
            print(f"seconds by {name}, {way}: {told}")
        panel.set(xlabel=name, ylabel="seconds", xlim=0, ylim=0)
        panel.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=100)


def _seconds(
    training: np.ndarray, queries: np.ndarray, device: str, pruned: bool, least: float
) -> float:
    engine = Engine(Prepared.of(training, device, pruned=pruned))
    started = perf_counter()
    engine(queries, least=least)
    return perf_counter() - started
