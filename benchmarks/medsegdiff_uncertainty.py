"""Whose doubt is worth reading: a diffusion model's samples, a U-Net, or its mirror images.

    python benchmarks/medsegdiff_uncertainty.py [--cases 26]

On the volumes of a split: Dice, expected calibration error and how well the doubt ranks errors
(AUROC) within 5 mm of the labels. Then the same volumes spoilt by noise, low resolution and
missing parts: how well each expected Dice ranks the true one (Spearman).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from beside_nnunet.material import DATA, cases_of
from beside_nnunet.measuring import keep_to, processors
from uncertainty.scoring import Score, mean_dice, score
from verisim.card import ModelCard
from verisim.degraded import degraded
from verisim.ensembles import segmenter_of
from verisim.files.atomic import replacing
from verisim.fractions import Fractions, as_fractions
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.maps import MAP_KINDS, Maps
from verisim.metrics import bootstrap_mean
from verisim.sampling_wish import SamplingWish
from verisim.segmentation import Segmentation, Segmenter
from verisim.volume import Volume

Answering = Callable[[Volume], Segmentation]
WIDTH = 150


@dataclass(frozen=True)
class Mirrors:
    """A segmenter asked about all eight mirror images; its doubt is their variance.

    Args:
        segmenter: Tells probabilities.
    """

    segmenter: Segmenter

    def __call__(self, volume: Volume) -> Segmentation:
        """The answer to the volume itself, with the variance over the mirror images."""
        labels, own = self.segmenter.card.labels, self.segmenter(volume)
        found = []
        for turns in product((False, True), repeat=3):
            axes = [axis - 3 for axis, turned in enumerate(turns) if turned]
            maps = self.segmenter(volume.new(np.flip(volume.array, axes))).maps
            found.append([np.flip(maps.probability[name].values, axes) for name in labels])
        variance = np.var(found, axis=0).sum(axis=0)
        doubt = Fractions(as_fractions(np.clip(variance, 0, 1)), volume.affine)
        return replace(own, maps=Maps(own.maps.probability, doubt))


def ways(unet: ModelCard, diffusion: ModelCard, both: ModelCard) -> dict[str, Answering]:
    """All ways to answer, by name."""
    wish = SamplingWish(kept=True)
    one = segmenter_of(unet, maps=MAP_KINDS)
    folders = (unet.folder, diffusion.folder)
    plain = (replace(one, temperature=1.0, expectations={}) for one in (unet, diffusion))
    untempered, unsure = (segmenter_of(one, maps=MAP_KINDS, wish=wish) for one in plain)
    return {
        f"{unet.title}": one,
        f"{unet.title}, temperature 1": untempered,
        f"{diffusion.title}, temperature 1": unsure,
        f"{unet.title}, variance of 8 mirror images": Mirrors(one),
        f"{diffusion.title}, one sample": segmenter_of(
            diffusion, maps=MAP_KINDS, wish=replace(wish, samples=1)
        ),
        f"{diffusion.title}": segmenter_of(diffusion, maps=MAP_KINDS, wish=wish),
        f"{both.title}": segmenter_of(both, maps=MAP_KINDS, folders=folders),
    }


def main() -> None:
    """Answer, score, print."""
    arguments = _arguments()
    keep_to(arguments.threads)
    cards = [
        find_card(n, SHIPPED_MODELS, arguments.folder)
        for n in (arguments.unet, arguments.diffusion, arguments.both)
    ]
    answering = ways(*cards)
    console = Console(width=WIDTH)
    clean: dict[str, list[Score]] = {name: [] for name in answering}
    expected: dict[str, list[tuple[float, float]]] = {name: [] for name in answering}
    for case in cases_of(arguments.data, arguments.cases):
        volume, truth = case.pair(cards[0].labels)
        for name, answer in answering.items():
            clean[name].append(score(case.name, case.subject, answer(volume), truth))
        for name, answer in _predicting(answering):
            for copy in [volume, *(copy for _, copy in degraded(volume))]:
                found = answer(copy)
                true = mean_dice(found.label_map, truth)
                values = list(found.expected_dice.values())
                expected[name].append((float(np.mean(values)) if values else 0.0, true))
        console.print(case.name)
        if arguments.output:
            _write(arguments.output, clean, expected)
    console.print(table(clean))
    for name, pairs in expected.items():
        if pairs:
            guessed, true = zip(*pairs, strict=True)
            console.print(
                f"{name}: expected against true Dice, Spearman {spearmanr(guessed, true)[0]:.3f}, "
                f"mean error {np.mean(np.abs(np.subtract(guessed, true))):.3f}, "
                f"{len(pairs)} volumes"
            )


def _predicting(answering: dict[str, Answering]) -> Iterator[tuple[str, Answering]]:
    """Whole models, corrected as their cards say."""
    left_out = ("mirror images", "one sample", "temperature")
    return ((n, a) for n, a in answering.items() if not any(word in n for word in left_out))


def table(found: dict[str, list[Score]]) -> Table:
    """For a person."""
    shown = Table()
    for name in (
        "what",
        "Dice",
        "calibration error",
        "AUROC of doubt",
        "AUROC of votes",
        "seconds",
    ):
        shown.add_column(name)
    for name, scores in found.items():
        shown.add_row(name, *(_interval(scores, figure) for figure in FIGURES))
    return shown


FIGURES = ("dice", "calibration_error", "entropy_auroc", "vote_auroc", "seconds")


def _interval(scores: Sequence[Score], figure: str) -> str:
    found = bootstrap_mean(
        [getattr(one, figure) for one in scores], [one.subject for one in scores]
    )
    return f"{found.mean:.4f} ({found.low:.3f}–{found.high:.3f})"


def _write(
    path: Path, clean: dict[str, list[Score]], expected: dict[str, list[tuple[float, float]]]
) -> None:
    found = {
        "clean": {name: [asdict(one) for one in scores] for name, scores in clean.items()},
        "expected": expected,
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--unet", default="hippocampus-unet", help="[%(default)s]")
    add("--diffusion", default="hippocampus-medsegdiff", help="[%(default)s]")
    add("--both", default="hippocampus", help="an ensemble of them [%(default)s]")
    add("--folder", type=Path, default=SHIPPED_MODELS, help="of your own models")
    add("--data", type=Path, default=DATA, help="labelled data set, its split val [%(default)s]")
    add("--cases", type=int, default=26, help="how many volumes [%(default)s]")
    add("--threads", type=int, default=processors(), help="[%(default)s]")
    add("--output", type=Path, help="also write all figures, a JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
