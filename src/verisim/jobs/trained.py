"""What a training on a server does and tells, whether it is a job or MONAI Label's own."""

from __future__ import annotations

from typing import Any

from verisim.card import ModelCard
from verisim.cross_validation import CrossValidation
from verisim.dataset import Dataset
from verisim.training.fit import Fit, Improvement
from verisim.training.options import NewModelOptions
from verisim.training.schedule import Schedule


def training_of(
    options: NewModelOptions, card: ModelCard, dataset: Dataset, schedule: Schedule, device: str
) -> CrossValidation | Fit:
    """All folds of a new model, or its one network, as asked for."""
    if options.fold == "all":
        return CrossValidation(card, dataset, schedule, "all", options.networks, device)
    return Fit(card, dataset, schedule, device=device)


def improvement_answer(improvement: Improvement, dataset: Dataset) -> dict[str, Any]:
    """What a fine-tuning came to, as JSON."""
    cases = len(dataset.split("val"))
    return {
        "model": improvement.card.name,
        "version": improvement.card.version,
        "improved": improvement.improved,
        "dice_before": round(improvement.before, 4),
        "dice_after": round(improvement.after, 4),
        "train_cases": len(dataset.split("train")),
        "validation_cases": cases,
        "message": _improvement_told(improvement, cases),
    }


def new_model_answer(
    card: ModelCard, options: NewModelOptions, schedule: Schedule, dataset: Dataset
) -> dict[str, Any]:
    """What the training of a new model came to, as JSON."""
    figure = next((f"{name} {value:.4f}" for name, value in card.figures.items()), "no figure")
    return {
        "model": card.name,
        "version": card.version,
        "configuration": card.configuration,
        "patch_size": list(card.patch_size),
        "iterations": schedule.iterations,
        "networks": options.networks,
        "figures": dict(card.figures),
        "train_cases": len(dataset.split("train")),
        "validation_cases": len(dataset.split("val")),
        "message": f"{card.title} is in use from now on: {figure}.",
    }


def _improvement_told(improvement: Improvement, cases: int) -> str:
    card, before, after = improvement.card, improvement.before, improvement.after
    if improvement.improved:
        return (
            f"{card.title} is in use from now on: mean Dice {after:.4f} on {cases} validation "
            f"case(s), against {before:.4f} of version {card.version - 1}."
        )
    return (
        f"{card.title} stays in use: mean Dice {before:.4f} on {cases} validation case(s), "
        f"against {after:.4f} after fine-tuning."
    )
