"""A model folder of nnU-Net v2 becomes a card and weights; all its folds are one model."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from verisim.card import Configuration as ConfigurationName
from verisim.card import ModelCard
from verisim.errors import NotFound, UnsupportedModel, VerisimWarning
from verisim.exchange.architecture import imported_network
from verisim.exchange.axes import Axes
from verisim.exchange.checkpoint import Checkpoint, read_checkpoint
from verisim.exchange.nnunet_plans import (
    Configuration,
    DatasetDescription,
    Plans,
    read_description,
)
from verisim.exchange.origin import channels_of, labels_of, training_record
from verisim.exchange.preparation import imported_preparation
from verisim.files.segments import color_of
from verisim.networks.weights import fill, weights_of
from verisim.progress import SILENT, Progress

KNOWN_TRAINERS = re.compile(
    r"nnUNetTrainer(_\d+epochs?|NoMirroring|_onlyMirror01|NoDeepSupervision|DA5|_probabilistic)*"
)
"""Trainers of nnU-Net's that leave network and answer as the plans say."""

FINAL = "checkpoint_final.pth"
"""What nnU-Net writes at the end of a training."""


@dataclass(frozen=True)
class Wanted:
    """What to take from a model folder.

    Args:
        name: Of the model here; empty for data set and configuration.
        folds: Their numbers, or "all"; empty for all that are there.
        checkpoint: Which file of each fold.
        licence: Of the training data, where dataset.json does not say it.
        previous: For the second stage of a cascade, the first.
    """

    name: str = ""
    folds: tuple[str, ...] = ()
    checkpoint: str = FINAL
    licence: str = ""
    previous: ModelCard | None = None


@dataclass(frozen=True)
class Imported:
    """A model that is not yet written.

    Args:
        card: Without checksum and folder.
        weights: Of all folds.
        folds: Their names.
    """

    card: ModelCard
    weights: Mapping[str, Tensor]
    folds: tuple[str, ...]


def import_model(
    folder: Path, wanted: Wanted | None = None, progress: Progress = SILENT
) -> Imported:
    """Read what nnUNetv2_train wrote (Isensee 2021), without running any code in it.

    Args:
        folder: Like nnUNetTrainer__nnUNetPlans__3d_fullres, with plans.json, dataset.json and
            folders fold_0, …
        wanted: Name, folds, checkpoint.
        progress: Hears of every fold.

    Raises:
        NotFound: A file is missing.
        UnreadableFile: A file is truncated, or not what its name says.
        UnsafeCheckpoint: A checkpoint wants to run code.
        UnsupportedModel: The network, or what surrounds it, does not exist here; named.
    """
    wanted = wanted or Wanted()
    plans = read_description(Plans, folder / "plans.json")
    dataset = read_description(DatasetDescription, folder / "dataset.json")
    folds = _folds(folder, wanted)
    progress.advance(0, len(folds), folds[0])
    first = read_checkpoint(folder / folds[0] / wanted.checkpoint)
    configuration = plans.configuration(first.configuration)
    axes = Axes(plans.transpose_forward, flat=len(configuration.patch_size) == 2)
    card = _card(_Description(plans, dataset, configuration, axes), first, wanted)
    record = training_record(folder, plans, dataset, first)
    record = replace(
        record,
        licence=wanted.licence or record.licence,
        split=", ".join(fold.replace("_", " ") for fold in folds),
        batch_size=configuration.batch_size,
    )
    weights = dict(_prefixed(_member(card, axes, first), 0, len(folds)))
    for number, fold in enumerate(folds[1:], start=1):
        progress.advance(number, len(folds), fold)
        other = read_checkpoint(folder / fold / wanted.checkpoint)
        _check_alike(first, other, fold)
        weights |= _prefixed(_member(card, axes, other), number, len(folds))
    return Imported(replace(card, members=len(folds), training=record), weights, folds)


@dataclass(frozen=True)
class _Description:
    plans: Plans
    dataset: DatasetDescription
    configuration: Configuration
    axes: Axes


def _folds(folder: Path, wanted: Wanted) -> tuple[str, ...]:
    if wanted.folds:
        return tuple(f"fold_{fold}" for fold in wanted.folds)
    found = sorted(path.parent.name for path in folder.glob(f"fold_*/{wanted.checkpoint}"))
    if not found:
        raise NotFound(
            f"No fold in {folder} has a {wanted.checkpoint}.",
            "Wait for the training's end, or choose --checkpoint checkpoint_best.pth.",
        )
    return tuple(found)


def _card(described: _Description, first: Checkpoint, wanted: Wanted) -> ModelCard:
    plans, configuration, axes = described.plans, described.configuration, described.axes
    labels, channels = labels_of(described.dataset), channels_of(described.dataset)
    _check_surroundings(plans, configuration, labels, wanted)
    _warn_of_trainer(first.trainer)
    mirrored = axes.imported_axes(first.mirror_axes)
    name = wanted.name or _plain(f"{plans.dataset_name}-{first.configuration}")
    said = f"Segments {', '.join(labels)} in {', '.join(channels)}."
    return ModelCard(
        name=name,
        description=described.dataset.description or said,
        channels=channels,
        labels=labels,
        colors={label: color_of(k) for k, label in enumerate(labels)},
        preprocessing=imported_preparation(plans, configuration, axes),
        patch_size=axes.imported(configuration.patch_size, 1),
        network=imported_network(configuration.architecture, axes),
        configuration=_kind(first.configuration, configuration),
        mirrored_axes=mirrored,
        mirroring=bool(mirrored),
        previous=wanted.previous.name if wanted.previous else "",
    )


def _check_surroundings(
    plans: Plans, configuration: Configuration, labels: Mapping[str, int], wanted: Wanted
) -> None:
    if plans.label_manager != "LabelManager":
        raise UnsupportedModel(
            f"The plans decide labels with {plans.label_manager}, only LabelManager exists here.",
            "Use nnU-Net itself for this model.",
        )
    stage, previous = configuration.previous_stage, wanted.previous
    if stage and previous is None:
        raise UnsupportedModel(
            f"This is the second stage of a cascade: it needs the label map of {stage}.",
            f"Import the folder of {stage} first, then this one with --previous and its name.",
        )
    if previous is not None and not (stage and dict(previous.labels) == dict(labels)):
        raise UnsupportedModel(
            f"{previous.title} with the labels {', '.join(previous.labels)} cannot come before "
            f"this model of {', '.join(labels)}"
            f"{'' if stage else ', which is no second stage of a cascade'}.",
            "Name the model of low resolution that was trained on the same data.",
        )


def _warn_of_trainer(trainer: str) -> None:
    if KNOWN_TRAINERS.fullmatch(trainer) is None:
        warnings.warn(
            f"The model was trained by {trainer}, which is not known here: compare the answer "
            "to one volume with nnU-Net's before trusting it.",
            VerisimWarning,
            stacklevel=2,
        )


def _plain(words: str) -> str:
    """Lower case with dashes."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _kind(name: str, configuration: Configuration) -> ConfigurationName:
    """Plans may hold configurations of any name; what they are decides."""
    if len(configuration.patch_size) == 2:
        return "2d"
    if configuration.previous_stage:
        return "3d_cascade_fullres"
    return "3d_lowres" if "lowres" in name else "3d_fullres"


def _member(card: ModelCard, axes: Axes, checkpoint: Checkpoint) -> Mapping[str, Tensor]:
    """One fold's weights under our names and along our axes, after trying them."""
    network = card.build()
    _check_names(network, checkpoint)
    own = weights_of(network)
    moved = {name: axes.imported_weight(checkpoint.weights[name].float()) for name in own}
    try:
        fill(network, moved)
    except ValueError as error:
        raise UnsupportedModel(
            f"The checkpoint does not fit the network of its plans: {error}.",
            "Copy the plans.json and dataset.json that belong to these checkpoints.",
        ) from error
    return moved


def _check_names(network: nn.Module, checkpoint: Checkpoint) -> None:
    # the checkpoint may list a tensor under several names, but none that is not the network's
    odd = sorted(checkpoint.weights.keys() - network.state_dict().keys())
    odd += sorted(weights_of(network).keys() - checkpoint.weights.keys())
    if odd:
        raise UnsupportedModel(
            f"The checkpoint, trained by {checkpoint.trainer}, and the network of its plans "
            f"differ in {len(odd)} tensors, the first is {odd[0]}.",
            "Copy the plans.json that belongs to these checkpoints; a trainer with a network of "
            "its own cannot be imported.",
        )


def _check_alike(first: Checkpoint, other: Checkpoint, fold: str) -> None:
    for what in ("configuration", "trainer", "mirror_axes"):
        if getattr(first, what) != getattr(other, what):
            raise UnsupportedModel(
                f"The {what} of {fold} is {getattr(other, what)}, that of the first fold "
                f"{getattr(first, what)}: they cannot answer together.",
                "Choose folds of one training with --folds.",
            )


def _prefixed(weights: Mapping[str, Tensor], number: int, members: int) -> dict[str, Tensor]:
    """The names that `networks.averaged.Average` gives to its members."""
    prefix = f"members.{number}." if members > 1 else ""
    return {prefix + name: tensor for name, tensor in weights.items()}
