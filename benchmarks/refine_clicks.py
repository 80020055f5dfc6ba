"""How good a bad segmentation gets by clicks, beside MONAI Label's scribbles.

    python benchmarks/refine_clicks.py [--data FOLDER] [--cases 20] [--noise 2] [--histogram]

The start is deliberately bad: what the model says of a copy of the image with half the contrast
and strong noise. A simulated reader then clicks into the middle of the largest error, up to ten
times. Reader and methods see the image itself, as a reader does whose model failed on it; all that
they have of the model is its answer to the copy. With `--on-copy` the methods see the copy, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from beside_nnunet.material import DATA, cases_of
from clicking.reader import Reading, Refining, read
from clicking.rivals import Scribbles
from verisim.ensembles import segmenter_of
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import bootstrap_mean
from verisim.refinement import Click, ClickNetwork, corrector_of, known_cards, refine
from verisim.segmentation import Segmentation
from verisim.volume import LabelMap, Volume

CONTRAST = 0.5
SHOWN = (0, 1, 3, 5, 10)
"""Clicks after which the table tells the Dice."""


@dataclass(frozen=True)
class Start:
    """A volume with a bad answer.

    Args:
        subject: Whose it is.
        volume: What reader and methods see.
        answer: Of the model, to the copy.
        truth: What only the reader sees.
    """

    subject: str
    volume: Volume
    answer: Segmentation
    truth: LabelMap


@dataclass(frozen=True)
class Ours:
    """Verisim's way.

    Args:
        network: What knows the shapes of the labels; None: nothing does.
    """

    network: ClickNetwork | None = None

    def __call__(self, volume: Volume, start: Segmentation, clicks: Sequence[Click]) -> LabelMap:
        """The label map after all clicks."""
        return refine(volume, start, clicks, network=self.network).label_map


RIVAL: dict[str, Refining] = {
    "MONAI Label, graph cut on the model's probabilities": Scribbles(),
}
HISTOGRAM: dict[str, Refining] = {
    "MONAI Label, graph cut on a histogram of the scribbles": Scribbles(believes=False)
}


def main() -> None:
    """Answer badly, click, print."""
    arguments = _arguments()
    torch.set_grad_enabled(False)
    console = Console(width=150)
    methods = {**ours(arguments.model), **RIVAL, **(HISTOGRAM if arguments.histogram else {})}
    for noise in arguments.noise:
        found: dict[str, list[Reading]] = {name: [] for name in methods}
        subjects = []
        for start in starts(arguments, noise):
            subjects.append(start.subject)
            for name, method in methods.items():
                reading = read(start.volume, start.answer, start.truth, method, max(SHOWN))
                found[name].append(reading)
        console.print(_table(f"noise {noise:g}, contrast {CONTRAST:g}", found, subjects))


def ours(model: str) -> dict[str, Refining]:
    """With what is known of the model's labels, and without."""
    corrector = corrector_of(
        find_card(model, SHIPPED_MODELS), known_cards(SHIPPED_MODELS), "network"
    )
    assert corrector is not None, "asked for"
    return {
        f"Verisim, {corrector.title}": Ours(ClickNetwork(corrector)),
        "Verisim, walker": Ours(),
    }


def starts(arguments: argparse.Namespace, noise: float) -> Iterator[Start]:
    """Each case with the answer to its worse copy."""
    card = find_card(arguments.model, SHIPPED_MODELS)
    segmenter = segmenter_of(card, precision="single", maps=("probability",))
    cases = cases_of(arguments.data, arguments.cases, arguments.split)
    for seed, case in enumerate(cases):
        volume, truth = case.pair(card.labels)
        copy = worse(volume, noise, seed)
        seen = copy if arguments.on_copy else volume
        yield Start(case.subject, seen, segmenter(copy), truth)


def worse(volume: Volume, noise: float, seed: int) -> Volume:
    """A copy of half the contrast, with noise of so many of its standard deviations."""
    array = volume.array.astype(np.float64)
    deviation = CONTRAST * array.std()
    drawn = np.random.default_rng(seed).normal(0, noise * deviation, array.shape)
    return volume.new((array.mean() + CONTRAST * (array - array.mean()) + drawn).astype("f4"))


def _table(title: str, found: Mapping[str, Sequence[Reading]], subjects: Sequence[str]) -> Table:
    table = Table(
        "Dice after clicks", *map(str, SHOWN), "worst at 10", "p50 / p95 ms", title=title
    )
    for name, readings in found.items():
        dice = np.array([reading.dice for reading in readings])
        seconds = np.concatenate([reading.seconds for reading in readings]) * 1000
        table.add_row(
            name,
            *(_interval(dice[:, n], subjects) for n in SHOWN),
            f"{dice[:, max(SHOWN)].min():.3f}",
            f"{np.percentile(seconds, 50):.0f} / {np.percentile(seconds, 95):.0f}",
        )
    return table


def _interval(values: Sequence[float], subjects: Sequence[str]) -> str:
    found = bootstrap_mean(list(values), subjects)
    return f"{found.mean:.3f} ({found.low:.2f}–{found.high:.2f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="labelled data set [%(default)s]")
    add("--split", default="val", help="[%(default)s]")
    add("--cases", type=int, default=20, help="how many volumes [%(default)s]")
    add("--model", default="hippocampus-unet", help="[%(default)s]")
    add("--noise", type=float, nargs="+", default=[1.0, 1.5, 2.0, 2.5], help="[%(default)s]")
    add("--on-copy", action="store_true", help="reader's image for the methods is the copy, too")
    add("--histogram", action="store_true", help="also its ready-made task: minutes longer")
    return parser.parse_args()


if __name__ == "__main__":
    main()
