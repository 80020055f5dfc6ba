"""Generators of slices, trained on some subjects for the same time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from memorization.slices import Slice
from verisim.card import ModelCard, read_card, write_model
from verisim.diffusion import Generation
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.networks.stylegan import Latents, StyleGan
from verisim.progress import Progress
from verisim.training.case_batches import CaseBatches
from verisim.training.competing import of_generator
from verisim.training.generator_fit import schedule_of
from verisim.training.kinds import GeneratorKind
from verisim.training.learning import Learning
from verisim.training.schedule import Schedule

PATCH = (40, 56, 1)
STRIDES = ((1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 1))
KERNELS = ((3, 3, 1),) * 4
RATES: dict[GeneratorKind, float] = {"diffusion": 1e-3, "stylegan": 2e-3}


def a_card(base: ModelCard, kind: GeneratorKind, count: int, width: int) -> ModelCard:
    """An untrained generator of slices.

    Args:
        base: Whose labels and preprocessing it takes.
        kind: How it makes them.
        count: Subjects that it learns from.
        width: Feature maps of the finest stage.
    """
    features = (width, 2 * width, 4 * width, 8 * width)
    gan = StyleGan(features, STRIDES, KERNELS, (5, 7, 1))
    diffusion = CaseDiffusion(features, STRIDES, KERNELS, joint=True)
    return replace(
        base,
        name=f"slices-{kind}-{count}",
        description=f"Axial slices of the hippocampus, learned from {count} subjects.",
        version=1,
        configuration="2d",
        patch_size=PATCH,
        network=gan if kind == "stylegan" else diffusion,
        generation=Latents() if kind == "stylegan" else Generation(),
        sha256="",
        training=None,
        figures={},
        folder=Path(),
    )


def trained(
    card: ModelCard,
    kind: GeneratorKind,
    training: Sequence[Slice],
    held_out: Sequence[Slice],
    folder: Path,
    minutes: float,
    batch_size: int,
    device: str,
    progress: Progress,
) -> ModelCard:
    """The generator with its weights: those in the folder, or new ones."""
    placed = replace(card, folder=folder)
    if placed.card_path.is_file():
        return read_card(placed.card_path)
    started = time.monotonic()
    examples = [one.example for one in training]
    wanted = Schedule(10**6, batch_size, RATES[kind], validate_every=1000)
    look = [one.example for one in held_out]
    learning = Learning(card, examples, look, schedule_of(card, wanted), device)
    learning = replace(learning, schedule=learning.in_time(minutes, started))
    # as they are, as in the paper: what is changed is harder to learn by heart
    batches = CaseBatches(examples, batch_size, PATCH, card.classes, (), 0, changed=False)
    found = learning.loop(folder / card.name).run(batches, learning.score, progress)
    return write_model(card, of_generator(found.weights), folder)
