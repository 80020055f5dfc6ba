"""Synthetic cases made of a few real ones, by a generator that saw no others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from verisim.card import ModelCard
from verisim.dataset import Dataset, open_dataset
from verisim.fingerprint import fingerprint_of
from verisim.installed import SHIPPED_MODELS, find_card, find_cards
from verisim.planning import make_plan
from verisim.progress import SILENT, Progress, Share
from verisim.synthesis.case_set import CaseSet
from verisim.synthesis.given import alike, for_label_maps
from verisim.synthesis.synthesizer import Synthesizer
from verisim.training.generator_fit import GeneratorFit
from verisim.training.kinds import generator_of
from verisim.training.schedule import Schedule

LOOKS = 4
"""At how good the generator is."""

LEARNED = 70
"""Percent of the work that is learning; the rest is making cases."""


@dataclass(frozen=True)
class FromFew:
    """Trains a diffusion generator on the split train alone, and makes cases by it.

    Args:
        real: Its split train is all that the generator sees.
        folder: Keeps the generator and its cases; what is there is not made again.
        minutes: For the generator to learn in; None: the iterations say it.
        iterations: Optimizer steps of the generator, where no minutes are given.
        mirrored_axes: Along which its cases may be mirrored.
        device: Where to compute.
    """

    real: Dataset
    folder: Path
    minutes: float | None = None
    iterations: int = 3000
    mirrored_axes: tuple[int, ...] = ()
    device: str = "cpu"

    def __call__(self, count: int, progress: Progress = SILENT) -> Dataset:
        """So many synthetic cases.

        Args:
            count: How many.
            progress: Hears of every step; may cancel between two.

        Raises:
            BadInput: Fewer than 5 cases to learn from, or cases larger than a patch.
        """
        models = self.folder / "models"
        present = find_cards(models) if models.is_dir() else {}
        card = present.get("few") or self._trained(models, Share(progress, 0, LEARNED))
        cases = CaseSet(self.folder / "cases", card)
        synthesizer = Synthesizer(card, self.device)
        cases.fill(synthesizer, range(count), (), Share(progress, LEARNED, 100))
        return open_dataset(cases.folder)

    def _trained(self, models: Path, progress: Progress) -> ModelCard:
        plan = make_plan(fingerprint_of(self.real, "train"))
        planned = plan.card("few", plan.default.lighter())
        card = replace(generator_of(planned), mirrored_axes=self.mirrored_axes)
        schedule = Schedule(batch_size=2, decay="cosine").lasting(self.iterations, LOOKS)
        # with so few there are none to spare for choosing weights
        fit = GeneratorFit(card, self.real, schedule, "train", "train", self.device, self.minutes)
        return fit(self.folder / "run", models, progress)


def by_chance(real: Dataset, folder: Path, count: int, progress: Progress = SILENT) -> Dataset:
    """So many images of random contrast for the label maps of the split train.

    Args:
        real: Nothing but the label maps of its split train is seen.
        folder: Keeps the cases; what is there is not made again.
        count: How many.
        progress: Hears of every case; may cancel between two.
    """
    given = alike([case.label_map(real.labels) for case in real.split("train")])
    shipped = replace(find_card("random-contrast", SHIPPED_MODELS), channels=real.channels)
    card = for_label_maps(shipped, given)
    cases = CaseSet(folder / "cases", card)
    cases.fill(Synthesizer(card), range(count), given, progress)
    return open_dataset(cases.folder)
