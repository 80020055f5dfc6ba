"""What each part of MedSegDiff is worth: trained without it, with several seeds, side by side.

    python benchmarks/medsegdiff_ablation.py DATASET [--iterations 2000] [--seeds 0 1 2]

Other variants are trained when they are named: `--variants whole spectral` for the attention of
MedSegDiff V2, `noise` for a network that predicts the noise.

Every variant learns for as many steps from the split train, and is scored on the split val: its
ensemble, one sample, and the ensemble started from --anchor, beside that model itself. A variant
that is trained already is not trained again; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table

from beside_nnunet.measuring import keep_to, processors
from uncertainty.scoring import mean_dice, shown_interval
from verisim.card import ModelCard
from verisim.dataset import Case, Dataset, open_dataset
from verisim.devices import choose
from verisim.diffusion import Parameterization, Sampling
from verisim.ensembles import segmenter_of
from verisim.files.atomic import replacing
from verisim.fingerprint import fingerprint_of
from verisim.installed import SHIPPED_MODELS, find_card, find_cards
from verisim.metrics import Interval, bootstrap_mean
from verisim.networks.medsegdiff import MedSegDiff
from verisim.planning import make_plan
from verisim.sampling_wish import SamplingWish
from verisim.segmentation import Segmenter
from verisim.training.fit import Fit
from verisim.training.kinds import of_kind
from verisim.training.schedule import Schedule

WHOLE = "whole"
VARIANTS = {
    WHOLE: {},
    "no-ff-parser": {"ff_parser": False},
    "no-dynamic": {"dynamic": False},
    "spectral": {"spectral": True},
    "noise": {},
}
"""What is different in the network of each."""

PREDICTED: dict[str, Parameterization] = {"noise": "noise"}
"""What a variant predicts, if not the mask: the noise, as in the paper."""

USUAL = (WHOLE, "no-ff-parser", "no-dynamic")
"""Those that are compared unless others are named."""

WAYS = {"ensemble": {"samples": 5}, "one sample": {"samples": 1}}
"""How each is asked."""

WIDTH = 120


@dataclass(frozen=True)
class Scored:
    """One variant, asked in one way.

    Args:
        variant: What was switched off.
        way: How it was asked.
        dice: Mean over the labels, of each seed and case, (S, N).
        subjects: Of the cases.
    """

    variant: str
    way: str
    dice: tuple[tuple[float, ...], ...]
    subjects: tuple[str, ...]

    @property
    def mean(self) -> Interval:
        """Over seeds and cases, with an interval over subjects."""
        return bootstrap_mean(np.mean(self.dice, axis=0).tolist(), self.subjects)

    def less(self, other: Scored) -> Interval:
        """How much better it is than another, case by case."""
        difference = np.mean(self.dice, axis=0) - np.mean(other.dice, axis=0)
        return bootstrap_mean(difference.tolist(), self.subjects)

    @property
    def by_seed(self) -> list[float]:
        """Mean of each seed."""
        return [float(np.mean(one)) for one in self.dice]


def main() -> None:
    """Train what is missing, score everything, print the table."""
    arguments = _arguments()
    keep_to(arguments.threads)
    dataset = open_dataset(arguments.dataset)
    trained = {
        variant: [_trained(variant, seed, dataset, arguments) for seed in arguments.seeds]
        for variant in arguments.variants
    }
    scored = list(_scored(trained, dataset.split("val"), arguments.anchor))
    Console(width=WIDTH).print(table(scored))
    if arguments.output:
        with replacing(arguments.output) as temporary:
            temporary.write_text(json.dumps([asdict(one) for one in scored], indent=1) + "\n")


def untrained(variant: str, seed: int, dataset: Dataset, light: bool) -> ModelCard:
    """The card of a variant, planned for the data set."""
    plan = make_plan(fingerprint_of(dataset, "all"))
    configuration = plan.default.lighter() if light else plan.default
    card = of_kind(plan.card(f"{variant}-{seed}", configuration), "medsegdiff")
    assert isinstance(card.network, MedSegDiff), "made so the line above"
    network = replace(card.network, **VARIANTS[variant])
    # while it learns one sample is enough to look at
    sampling = Sampling(samples=1, parameterization=PREDICTED.get(variant, "data"))
    return replace(card, network=network, sampling=sampling, mirrored_axes=(0,))


def _trained(
    variant: str, seed: int, dataset: Dataset, arguments: argparse.Namespace
) -> ModelCard:
    models = arguments.work / "models"
    present = find_cards(models).get(f"{variant}-{seed}") if models.is_dir() else None
    if present is not None:
        return present
    card = untrained(variant, seed, dataset, arguments.light)
    # a single look, at the end: the cases that score it choose nothing
    schedule = Schedule(seed=seed, decay="cosine").lasting(arguments.iterations, looks=1)
    fit = Fit(card, dataset, schedule, device=choose(arguments.device))
    with Bar() as bar:
        return fit(arguments.work / f"{variant}-{seed}", models, _Shown(bar, card.name))


class _Shown:
    """Progress as a bar."""

    def __init__(self, bar: Bar, name: str) -> None:
        self._bar, self._task = bar, bar.add_task(name)

    def advance(self, done: int, total: int, message: str = "") -> None:
        self._bar.update(self._task, completed=done, total=total)


def _scored(
    trained: dict[str, list[ModelCard]], cases: Sequence[Case], anchor: str
) -> Iterator[Scored]:
    ways = {name: SamplingWish(**given) for name, given in WAYS.items()}
    if anchor:
        own = find_card(anchor, SHIPPED_MODELS)
        yield scored(anchor, "itself", [segmenter_of(own)], cases)
        ways["from the anchor"] = SamplingWish(anchor=anchor, steps=2)
    for variant, cards in trained.items():
        for name, wish in ways.items():
            segmenters = [segmenter_of(one, folders=(SHIPPED_MODELS,), wish=wish) for one in cards]
            yield scored(variant, name, segmenters, cases)


def scored(
    variant: str, way: str, segmenters: Sequence[Segmenter], cases: Sequence[Case]
) -> Scored:
    """The Dice of every seed on every case."""
    pairs = [case.pair(segmenters[0].card.labels) for case in cases]
    found = tuple(
        tuple(mean_dice(segmenter(volume).label_map, truth) for volume, truth in pairs)
        for segmenter in segmenters
    )
    return Scored(variant, way, found, tuple(case.subject for case in cases))


def table(found: Sequence[Scored]) -> Table:
    """For a person: every variant beside the whole network, asked in the same way."""
    shown = Table()
    for name in ("variant", "asked for", "Dice", "beside whole", "each seed"):
        shown.add_column(name)
    whole = {one.way: one for one in found if one.variant == WHOLE}
    for one in found:
        beside = whole.get(one.way)
        less = shown_interval(one.less(beside), "+.4f") if beside and beside is not one else ""
        seeds = ", ".join(f"{mean:.4f}" for mean in one.by_seed)
        shown.add_row(one.variant, one.way, shown_interval(one.mean, ".4f"), less, seeds)
    return shown


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("dataset", type=Path, help="with the splits train and val")
    add("--iterations", type=int, default=2000, help="of each training [%(default)s]")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="[0 1 2]")
    add("--variants", nargs="+", choices=VARIANTS, default=USUAL, help="[%(default)s]")
    add("--anchor", default="hippocampus-unet", help="a U-Net to start from; '' for none")
    add("--light", action=argparse.BooleanOptionalAction, default=True, help="16 features")
    add("--work", type=Path, default=Path("runs/ablation"), help="keeps what is trained")
    add("--device", default="auto", help="[%(default)s]")
    add("--threads", type=int, default=processors(), help="[%(default)s]")
    add("--output", type=Path, help="also write all figures, a JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
