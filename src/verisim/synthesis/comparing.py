"""Samplers beside each other on one's own model: how good, in how many evaluations, how fast."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from verisim.card import ModelCard
from verisim.diffusion import Generation
from verisim.diffusion.sampling import Solver
from verisim.embedding import Directions, Embedding
from verisim.ensembles import segmenter_of
from verisim.errors import BadCard
from verisim.fidelity import Pairs
from verisim.files.atomic import replacing
from verisim.metrics import dice
from verisim.metrics.fidelity import Features, frechet_distance, kernel_distance
from verisim.progress import SILENT, Part, Progress
from verisim.segmentation import Segmenter
from verisim.synthesis.synthesizer import Synthesizer
from verisim.volume import LabelMap, Volume

EVALUATIONS = (4, 8, 16, 32, 64, 250)
"""Of the network for an image, about."""

SOLVERS: tuple[Solver, ...] = ("ddim", "dpm-solver", "heun", "ddpm")
"""All that there are."""


@dataclass(frozen=True)
class Sampled:
    """One way to sample, or real images in its place.

    Args:
        name: Of the sampler, or of the student, or what else it is.
        steps: From noise to image; 0 of real images.
        evaluations: Of the network for an image.
        frechet: Fréchet distance of features to the training cases.
        kernel: Kernel distance of features to them.
        dice: Of a segmentation of the images with the label maps they were made for.
        seconds: Of an image.
    """

    name: str
    steps: int
    evaluations: int
    frechet: float
    kernel: float
    dice: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """Compares ways to make images for label maps that the model has not seen.

    Args:
        card: The generator.
        embedding: A U-Net trained on such cases: its features are compared, and it segments.
        training: What the generator learned from.
        held_out: Cases that it did not; images are made for their label maps.
        device: Where to compute.
        students: Models that were distilled from the generator, see `students_of`.
    """

    card: ModelCard
    embedding: ModelCard
    training: Pairs
    held_out: Pairs
    device: str = "cpu"
    students: Sequence[ModelCard] = ()

    def __call__(
        self, ways: Sequence[Generation], progress: Progress = SILENT
    ) -> Iterator[Sampled]:
        """One row a way, first the real images and last the students.

        Args:
            ways: How to sample.
            progress: Hears of every step; may cancel between two.
        """
        known = Embedding(self.embedding)
        base = known([volume for volume, _ in self.training])
        directions = Directions.among(base)
        measured = _Measured(known, directions, directions(base), segmenter_of(self.embedding))
        yield measured("real", 0, 0, self.held_out, 0.0)
        makers = [*(replace(self.card, generation=way) for way in ways), *self.students]
        for k, maker in enumerate(makers):
            assert isinstance(maker.generation, Generation), "asked for by ways to sample"
            name, steps = _name(maker), maker.generation.steps
            part = Part(progress, k, len(makers), f"{name}, {steps} steps,")
            synthesizer = Synthesizer(maker, self.device)
            started = time.perf_counter()
            label_maps = [label_map for _, label_map in self.held_out]
            made = list(synthesizer(range(len(label_maps)), label_maps, part))
            seconds = (time.perf_counter() - started) / len(made)
            pairs = [(case.volume, case.label_map) for case in made]
            yield measured(name, steps, made[0].evaluations, pairs, seconds)


@dataclass(frozen=True)
class _Measured:
    embedding: Embedding
    directions: Directions
    base: Features
    segmenter: Segmenter

    def __call__(
        self, name: str, steps: int, evaluations: int, pairs: Pairs, seconds: float
    ) -> Sampled:
        points = self.directions(self.embedding([volume for volume, _ in pairs]))
        return Sampled(
            name,
            steps,
            evaluations,
            frechet_distance(points, self.base),
            kernel_distance(points, self.base),
            float(np.mean([self._agreement(*pair) for pair in pairs])),
            seconds,
        )

    def _agreement(self, volume: Volume, label_map: LabelMap) -> float:
        found = self.segmenter(volume).label_map
        shared = [dice(found.binary(n), label_map.binary(n)) for n in found.labels]
        return float(np.nanmean(shared))


def ways_of(
    card: ModelCard,
    solvers: Sequence[Solver] = SOLVERS,
    evaluations: Sequence[int] = EVALUATIONS,
) -> list[Generation]:
    """Ways to sample that ask the network about so many times an image, and the card's own.

    A student has no way but its own.

    Raises:
        BadCard: The model makes no cases.
    """
    if not isinstance(card.generation, Generation):
        raise BadCard(
            f"{card.title} makes no cases out of noise.", "Choose a diffusion model of cases."
        )
    own, found = card.generation, [card.generation]
    if own.student is not None:  # it learned no other
        return found
    for solver in solvers:
        for wanted in evaluations:
            each = own.questions * (2 if solver == "heun" else 1)
            way = replace(own, solver=solver, steps=max(1, round(wanted / each)))
            found += [way] if way not in found else []
    return found


def students_of(card: ModelCard, models: Iterable[ModelCard]) -> list[ModelCard]:
    """Those of some models that were distilled from this one, of this version."""
    return [
        one
        for one in models
        if isinstance(one.generation, Generation)
        and one.generation.student is not None
        and one.generation.student.teacher == card.title
    ]


def draw_comparison(path: Path, rows: Sequence[Sampled]) -> None:
    """Distance and agreement against evaluations, one line a sampler; real images as a line.

    Args:
        path: A picture, .png.
        rows: What `Comparison` found; the real images first.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    titles = ("Fréchet distance to training cases", "Dice with the given label map")
    for panel, name, title in zip(panels, ("frechet", "dice"), titles, strict=True):
        for solver in dict.fromkeys(row.name for row in rows[1:]):
            own = sorted((r for r in rows if r.name == solver), key=lambda r: r.evaluations)
            panel.plot(
                [r.evaluations for r in own], [getattr(r, name) for r in own], "o-", label=solver
            )
        panel.axhline(getattr(rows[0], name), color="black", linestyle=":", label="real, held out")
        panel.set_xscale("log")
        panel.set_xlabel("network evaluations an image")
        panel.set_ylabel(title)
    panels[1].legend(frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def _name(card: ModelCard) -> str:
    """What a row is called: a sampler, or a student, which is none of its teacher's samplers."""
    assert isinstance(card.generation, Generation), "asked for by ways to sample"
    return f"distilled ({card.name})" if card.generation.student else card.generation.solver
