"""How well a label map agrees with the truth, label by label."""

from __future__ import annotations

from dataclasses import dataclass

from verisim.errors import BadGeometry, BadInput
from verisim.metrics.overlap import dice
from verisim.metrics.surface import hausdorff95_mm, surface_dice
from verisim.volume import LabelMap


@dataclass(frozen=True)
class Agreement:
    """What the metrics say about one label of one case."""

    label: str
    dice: float
    hausdorff95_mm: float
    surface_dice: float
    predicted_ml: float
    truth_ml: float


def compare(
    predicted: LabelMap, truth: LabelMap, tolerance_mm: float = 1.0
) -> tuple[Agreement, ...]:
    """Compare two label maps on the same grid, one entry for each label of the truth.

    Labels are matched by name: their values may differ.

    Raises:
        BadGeometry: The label maps do not share a grid.
        BadInput: The prediction lacks a label of the truth, or the tolerance is negative.
    """
    if not predicted.shares_grid(truth):
        raise BadGeometry(
            f"The label maps do not share a grid: {predicted.spatial_shape} voxels of "
            f"{predicted.spacing_mm} mm, and {truth.spatial_shape} of {truth.spacing_mm} mm.",
            "Resample one like the other first.",
        )
    missing = [name for name in truth.labels if name not in predicted.labels]
    if missing:
        raise BadInput(
            f"The prediction has the labels {list(predicted.labels)}, but not {missing}.",
            "Compare label maps with the same label names.",
        )
    return tuple(_agreement(name, predicted, truth, tolerance_mm) for name in truth.labels)


def _agreement(label: str, predicted: LabelMap, truth: LabelMap, tolerance_mm: float) -> Agreement:
    found, wanted = predicted.binary(label), truth.binary(label)
    return Agreement(
        label=label,
        dice=dice(found, wanted),
        hausdorff95_mm=hausdorff95_mm(found, wanted, truth.spacing_mm),
        surface_dice=surface_dice(found, wanted, truth.spacing_mm, tolerance_mm),
        predicted_ml=float(found.sum()) * predicted.voxel_ml,
        truth_ml=float(wanted.sum()) * truth.voxel_ml,
    )
