"""A card and its weights become a model folder that nnUNetv2_predict_from_modelfolder runs."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from verisim.card import ModelCard
from verisim.errors import Conflict, UnsupportedModel, VerisimWarning
from verisim.exchange.architecture import exported_network
from verisim.exchange.axes import Axes
from verisim.exchange.importing import FINAL
from verisim.exchange.nnunet_plans import (
    Configuration,
    DatasetDescription,
    Described,
    Plans,
    Resampling,
)
from verisim.exchange.origin import ITERATIONS_PER_EPOCH
from verisim.exchange.preparation import (
    exported_normalizations,
    intensities_of,
    reader_of,
    resampling_of,
    scheme_of,
)
from verisim.files.atomic import make_folder, replacing
from verisim.networks.averaged import Average
from verisim.networks.unet import UNet

LOGGED = ("mean_fg_dice", "ema_fg_dice", "dice_per_class_or_region", "train_losses", "val_losses")
"""Curves of nnU-Net's trainer; ours are in the card's figures."""


def export_model(card: ModelCard, folder: Path) -> tuple[str, ...]:
    """Write plans.json, dataset.json and a fold for each member; the folder appears whole.

    Args:
        card: Of a trained model of one network or several of one shape.
        folder: Must not exist yet.

    Returns:
        Names of the folds, as nnU-Net's option -f takes them.

    Raises:
        Conflict: The folder exists.
        UnsupportedModel: nnU-Net cannot answer as this model does; the message says why.
        NotFound: The weights are missing.
        StorageFailed: The disk refused.
    """
    if folder.exists():
        raise Conflict(f"{folder} exists already.", "Choose another folder, or remove it first.")
    axes = _axes_of(card)
    _check_expressible(card)
    _warn_of_postprocessing(card)
    written = _Written(card, axes, _plans(card, axes), _dataset(card))
    network = card.load()
    members = list(network.members) if isinstance(network, Average) else [network]
    make_folder(folder.absolute().parent)
    with replacing(folder.absolute()) as temporary:
        temporary.mkdir()
        _write(temporary / "plans.json", written.plans)
        _write(temporary / "dataset.json", written.dataset)
        for fold, member in enumerate(members):
            (temporary / f"fold_{fold}").mkdir()
            # into an open file, because torch alone does not say that a disk is full
            with (temporary / f"fold_{fold}" / FINAL).open("wb") as file:
                torch.save(written.checkpoint(member, fold), file)
    return tuple(str(fold) for fold in range(len(members)))


@dataclass(frozen=True)
class _Written:
    """What all folds of a model folder share."""

    card: ModelCard
    axes: Axes
    plans: Plans
    dataset: DatasetDescription

    def checkpoint(self, member: nn.Module, fold: int) -> Mapping[str, Any]:
        """In nnU-Net's form, of plain Python and tensors only."""
        card, record = self.card, self.card.training
        axes = self.axes.exported_axes(card.mirrored_axes) if card.mirroring else ()
        return {
            "network_weights": _state(member, self.axes),
            "optimizer_state": {},
            "grad_scaler_state": None,
            "logging": self._log(),
            "_best_ema": None,
            "current_epoch": math.ceil(record.iterations / ITERATIONS_PER_EPOCH) if record else 0,
            "init_args": {
                "plans": _plain(self.plans),
                "configuration": card.configuration,
                "fold": fold,
                "dataset_json": _plain(self.dataset),
                "device": record.device if record else "cpu",
            },
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": axes or None,
        }

    def _log(self) -> dict[str, list[float]]:
        log: dict[str, list[float]] = {name: [] for name in (*LOGGED, "lrs")}
        record = self.card.training
        end = datetime.fromisoformat(record.date).replace(tzinfo=UTC).timestamp() if record else 0
        log["epoch_start_timestamps"] = [end - (record.seconds if record else 0)]
        log["epoch_end_timestamps"] = [end]
        return log


def _axes_of(card: ModelCard) -> Axes:
    """Ours turned round; for slices, the axis across them comes first."""
    across = [axis for axis, mm in enumerate(card.preprocessing.spacing_mm) if mm == 0]
    if card.configuration != "2d":
        if across:
            raise UnsupportedModel(
                f"{card.title} leaves the spacing of the axes {across} as it is; nnU-Net does so "
                "for slices only.",
                "Train it with a spacing for each axis.",
            )
        return Axes((0, 1, 2))
    if len(across) != 1 or not _is_flat(card, across[0]):
        raise UnsupportedModel(
            f"{card.title} is called 2d, but sees more than one slice at a time.",
            "Give it kernels, strides and a patch of 1, and spacing 0, across slices.",
        )
    first = 2 - across[0]
    second, third = (axis for axis in range(3) if axis != first)
    return Axes((first, second, third), flat=True)


def _is_flat(card: ModelCard, axis: int) -> bool:
    network = _unet(card)
    steps = (*network.strides, *network.kernel_sizes, card.patch_size)
    return {step[axis] for step in steps} == {1}


def _unet(card: ModelCard) -> UNet:
    if not isinstance(card.network, UNet):
        raise UnsupportedModel(
            f"{card.title} is a diffusion model, which nnU-Net does not know.",
            "Export a U-Net.",
        )
    return card.network


def _check_expressible(card: ModelCard) -> None:
    if card.ensemble:
        raise UnsupportedModel(
            f"{card.title} answers together with {', '.join(card.ensemble)} and has no weights.",
            "Export each of these, and let nnUNetv2_ensemble join their probabilities.",
        )
    if "ignore" in card.labels or "background" in card.labels:
        raise UnsupportedModel(
            f"{card.title} has a label named ignore or background, which nnU-Net does not learn.",
            "Rename the label.",
        )


def _warn_of_postprocessing(card: ModelCard) -> None:
    kept = ("all labels together",) * card.keep_largest_foreground + card.keep_largest
    if kept:
        warnings.warn(
            f"{card.title} keeps only the largest component of {', '.join(kept)}; a model folder "
            "of nnU-Net cannot say so: its answers will hold the smaller components as well.",
            VerisimWarning,
            stacklevel=3,
        )


def _plans(card: ModelCard, axes: Axes) -> Plans:
    spacing = _each_axis(axes, [mm or 1.0 for mm in card.preprocessing.spacing_mm])
    extent = _each_axis(axes, _usual_extent(card))
    shape = [max(1, round(mm / step)) for mm, step in zip(extent, spacing, strict=True)]
    steps = exported_normalizations(card)
    return Plans(
        dataset_name=card.training.data if card.training else card.name,
        original_median_spacing_after_transp=spacing,
        original_median_shape_after_transp=(shape[0], shape[1], shape[2]),
        image_reader_writer=reader_of(card),
        transpose_forward=axes.transpose_forward,
        transpose_backward=axes.backward,
        configurations={card.configuration: _plain(_configuration(card, axes, shape))},
        foreground_intensity_properties_per_channel={
            str(channel): intensities_of(step) for channel, step in enumerate(steps)
        },
    )


def _configuration(card: ModelCard, axes: Axes, shape: list[int]) -> Configuration:
    steps = exported_normalizations(card)
    blended = Resampling(order=1, force_separate_z=None)
    return Configuration(
        data_identifier=f"nnUNetPlans_{card.configuration}",
        batch_size=card.training.batch_size if card.training else 2,
        patch_size=axes.exported(card.patch_size),
        median_image_size_in_voxels=tuple(shape[axes.flat :]),
        spacing=axes.exported(card.preprocessing.spacing_mm),
        normalization_schemes=tuple(scheme_of(step) for step in steps),
        use_mask_for_norm=tuple(step.masked for step in steps),
        resampling_fn_data_kwargs=resampling_of(card),
        resampling_fn_seg_kwargs=blended.model_copy(update={"is_seg": True}),
        resampling_fn_probabilities_kwargs=blended,
        architecture=exported_network(_unet(card), axes),
        previous_stage="3d_lowres" if card.previous else None,
    )


def _dataset(card: ModelCard) -> DatasetDescription:
    record = card.training
    return DatasetDescription(
        name=record.data if record else card.name,
        description=card.description,
        licence=record.licence if record else "",
        channel_names={str(number): name for number, name in enumerate(card.channels)},
        labels={"background": 0, **card.labels},
        numTraining=record.cases if record else 0,
        extent_mm=record.extent_mm if record else None,
    )


def _usual_extent(card: ModelCard) -> list[float]:
    """Half-way between the smallest and the largest box in mm, by ratio; else the patch."""
    if card.training is None:
        return [
            float(n * (mm or 1))
            for n, mm in zip(card.patch_size, card.preprocessing.spacing_mm, strict=True)
        ]
    low, high = card.training.extent_mm
    return [float(side) for side in np.sqrt(np.multiply(low, high))]


def _each_axis(axes: Axes, values: list[float]) -> tuple[float, float, float]:
    """Along the turned array's axes, that across slices included."""
    first, second, third = (values[axis] for axis in axes.ours)
    return first, second, third


def _state(member: nn.Module, axes: Axes) -> dict[str, Tensor]:
    """All names of nnU-Net's state, with the tensors that several names share written once."""
    state = member.state_dict()
    moved = {tensor.data_ptr(): axes.exported_weight(tensor.detach()) for tensor in state.values()}
    return {name: moved[tensor.data_ptr()] for name, tensor in state.items()}


def _plain(described: Described) -> dict[str, Any]:
    fields: dict[str, Any] = described.model_dump(mode="json", by_alias=True)
    return fields


def _write(path: Path, described: Described) -> None:
    path.write_text(json.dumps(_plain(described), indent=4, sort_keys=False), encoding="utf-8")
