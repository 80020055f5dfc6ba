"""`verisim train-generator`: labelled cases in, a model that makes such cases out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from verisim.cli.options import (
    ITERATIONS,
    USER_MODELS,
    AsJson,
    Device,
    LearningRate,
    Minutes,
    Models,
    RunFolder,
    SubjectPattern,
    SubjectTable,
    TrainingSeed,
    ValidateEvery,
    check_training,
)
from verisim.cli.terminal import COUNT, Terminal
from verisim.errors import BadInput

if TYPE_CHECKING:
    from verisim.card import ModelCard
    from verisim.cli.order import Wish
    from verisim.dataset import Dataset
    from verisim.training.budget import Candidate
    from verisim.training.schedule import Schedule

STUDENT_STEPS = 4
"""Of what is distilled: with fewer its cases are smoother."""

FEWEST_RIVALS = 8
"""Cases of a StyleGAN's step, unless asked otherwise: of fewer its variety cannot be judged."""


def train_generator(
    dataset: Annotated[
        Path, typer.Argument(help="Folder in the layout of the Decathlon, nnU-Net or MONAI Label.")
    ],
    name: Annotated[str, typer.Option(help="Name of a new model, lower case with dashes.")] = "",
    start_from: Annotated[
        str, typer.Option("--from", help="Train this generator further, as its next version.")
    ] = "",
    distill: Annotated[
        str,
        typer.Option(help="Teach a new model to make this diffusion model's cases in few steps."),
    ] = "",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of what is distilled, from noise to image. [4]")
    ] = None,
    description: Annotated[
        str, typer.Option(help="What it makes, in one sentence. [from the data set]")
    ] = "",
    network: Annotated[
        Literal["diffusion", "latent", "stylegan"],
        typer.Option(
            help="What makes the cases: many steps from noise, voxel by voxel or behind an "
            "autoencoder (for large volumes), or one from a style."
        ),
    ] = "diffusion",
    joint: Annotated[
        bool,
        typer.Option(
            "--joint", help="Make image and labels together instead of one after the other."
        ),
    ] = False,
    configuration: Annotated[
        str, typer.Option(help="2d, 3d_fullres or 3d_lowres. [3d_fullres, if planned]")
    ] = "",
    light: Annotated[
        bool | None,
        typer.Option(
            "--light/--full",
            help="16 features and batch 2, or what the plan says. [light on a processor]",
        ),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the column case, and one for each attribute that may be asked for "
            "afterwards; an empty cell is unknown."
        ),
    ] = None,
    intensity_families: Annotated[
        int,
        typer.Option(help="Also group the cases by their intensities, as one more attribute."),
    ] = 0,
    mirror: Annotated[
        str,
        typer.Option(help="Axes along which cases may be mirrored: x if it has both sides."),
    ] = "none",
    minutes: Minutes = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, help=f"Optimizer steps. [{ITERATIONS}]")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Cases a step. [the plan's]")
    ] = None,
    learning_rate: LearningRate = 2e-3,
    seed: TrainingSeed = 0,
    train_split: Annotated[str, typer.Option(help="Cases to learn from.")] = "train",
    val_split: Annotated[str, typer.Option(help="Cases that choose the best weights.")] = "val",
    validate_every: ValidateEvery = 500,
    run: RunFolder = None,
    subject_pattern: SubjectPattern = "",
    subject_table: SubjectTable = None,
    device: Device = "auto",
    models: Models = USER_MODELS,
    as_json: AsJson = False,
) -> None:
    """Train a model that makes labelled cases; a run that was stopped goes on where it was."""
    from verisim.cli.order import Wish
    from verisim.dataset import open_dataset
    from verisim.devices import choose
    from verisim.synthesis.pace import hint
    from verisim.training.generator_fit import check_enough
    from verisim.training.latent_fit import fit_of
    from verisim.training.told import Telling

    check_training(
        "train-generator DATASET --name my-cases", name, start_from, minutes, iterations
    )
    terminal, chosen = Terminal(as_json), choose(device)
    own = start_from or configuration or joint or network != "diffusion"
    _check_distilling(distill, steps, bool(own))
    telling = Telling(attributes, intensity_families)
    with terminal.warnings_as_notes():
        opened = open_dataset(dataset, subject_pattern, subject_table)
        check_enough(opened.split(train_split), train_split)
        telling.by_hand(opened, train_split, val_split)  # what is wrong with it is said at once
    small = (chosen == "cpu") if light is None else light
    wish = Wish(name, description, "auto", configuration, "", small, mirror, batch_size)
    teacher = None
    if start_from:
        card, batch = _following(start_from, models, mirror, batch_size)
    elif distill:
        teacher, card, batch = _student(distill, wish, steps or STUDENT_STEPS, models)
    else:
        planned = _planned(terminal, wish, opened, train_split, models)
        card, batch = _generator(planned, wish, joint, network)
        if said := hint(card, chosen):
            terminal.note(said)
    length = iterations or ITERATIONS
    schedule = _schedule(card, length, batch, learning_rate, validate_every, seed)
    folder = run or Path("runs") / f"{card.name}-v{card.version + bool(card.sha256)}"
    splits = train_split, val_split
    fit = fit_of(card)(card, opened, schedule, *splits, chosen, minutes, telling, teacher)
    terminal.note(f"Checkpoint and curves are in {folder}; the same command continues the run.")
    with terminal.warnings_as_notes(), terminal.progress("train", COUNT) as progress:
        trained = _timed(fit(folder, models, progress), chosen)
    _tell(terminal, trained, folder)


def _tell(terminal: Terminal, trained: ModelCard, folder: Path) -> None:
    """Print what came of it."""
    figures = ", ".join(f"{key} {value:g}" for key, value in trained.figures.items())
    lines = (f"{trained.title}: {figures}", f"weights: {trained.weights_path}")
    terminal.answer({"model": trained, "run": folder}, *lines)


def _schedule(
    card: ModelCard, length: int, batch: int, rate: float, look: int, seed: int
) -> Schedule:
    """How long and how fast a generator learns."""
    from verisim.training.generator_fit import schedule_of
    from verisim.training.schedule import Schedule

    every = min(look, length)
    return schedule_of(card, Schedule(length, batch, rate, validate_every=every, seed=seed))


def _timed(card: ModelCard, device: str) -> ModelCard:
    """The card with how long a case takes, written again."""
    import time
    from dataclasses import replace

    from verisim.card import write_card
    from verisim.synthesis import Synthesizer

    synthesizer = Synthesizer(card, device)
    started = time.perf_counter()
    list(synthesizer(range(2)))
    seconds = (time.perf_counter() - started) / 2
    return write_card(replace(card, seconds_per_volume=round(seconds, 2)))


def _following(
    name: str, models: Path, mirror: str, batch_size: int | None
) -> tuple[ModelCard, int]:
    """The next version of a generator, which begins with the weights of the present one."""
    from dataclasses import replace

    from verisim.cli.order import mirrored_axes
    from verisim.installed import SHIPPED_MODELS, find_card

    card = find_card(name, SHIPPED_MODELS, models)
    if card.kind != "synthesis":
        raise BadInput(
            f"{card.title} segments and makes no cases.", "Fine-tune it with `verisim train`."
        )
    axes = mirrored_axes(mirror, card.patch_size)
    batch = card.training.batch_size if card.training else 2
    return replace(card, mirrored_axes=axes), batch_size or batch


def _check_distilling(distill: str, steps: int | None, own: bool) -> None:
    """Refuse what a student does not take, and steps of what is no student."""
    if steps and not distill:
        raise BadInput(
            "--steps is how many a student learns to take, and nothing is distilled.",
            "Say --distill MODEL too; of others steps are chosen by `verisim synthesize --steps`.",
        )
    if distill and own:
        raise BadInput(
            "A student has the network of its teacher, and begins with its weights.",
            "Leave out --from, --network, --joint and --configuration.",
        )


def _student(
    teacher: str, wish: Wish, steps: int, models: Path
) -> tuple[ModelCard, ModelCard, int]:
    """What is distilled, what shall learn from it, and the cases of a step."""
    from dataclasses import replace

    from verisim.cli.order import mirrored_axes
    from verisim.installed import SHIPPED_MODELS, find_card, next_version
    from verisim.training.distilling import student_of

    found = find_card(teacher, SHIPPED_MODELS, models)
    version = next_version(wish.name, SHIPPED_MODELS, models)
    card = student_of(found, wish.name, steps, wish.description, version)
    batch = wish.batch_size or (found.training.batch_size if found.training else 2)
    return found, replace(card, mirrored_axes=mirrored_axes(wish.mirror, card.patch_size)), batch


def _generator(
    planned: Candidate,
    wish: Wish,
    joint: bool,
    network: Literal["diffusion", "latent", "stylegan"],
) -> tuple[ModelCard, int]:
    """What makes cases in place of a planned U-Net, and the cases of a step."""
    from verisim.training.kinds import generator_of

    if joint and network == "latent":
        raise BadInput(
            "Latent diffusion makes label maps first, and then images for them.",
            "Leave out --joint, or --network latent.",
        )
    card = generator_of(planned.card, wish.description, joint, network)
    few = network == "stylegan" and not wish.batch_size
    return card, max(planned.batch_size, FEWEST_RIVALS) if few else planned.batch_size


def _planned(
    terminal: Terminal, wish: Wish, dataset: Dataset, split: str, models: Path
) -> Candidate:
    """The network that a plan of these cases names, as the model's next version."""
    from verisim.fingerprint import fingerprint_of
    from verisim.installed import SHIPPED_MODELS, next_version
    from verisim.planning import make_plan

    with terminal.warnings_as_notes(), terminal.progress("look", COUNT) as progress:
        plan = make_plan(fingerprint_of(dataset, split, progress))
    version = next_version(wish.name, SHIPPED_MODELS, models)
    return wish.candidates(plan, version)[bool(wish.light)]
