"""What a client shows beside the label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scipy import ndimage

from verisim.card import ModelCard
from verisim.consensus import Sampled
from verisim.rescue import Rescued
from verisim.volume import LabelMap


def answer(
    card: ModelCard,
    rescued: Rescued,
    seconds: Mapping[str, float],
    mirror: bool,
) -> dict[str, Any]:
    """The `params` of a reply: MONAI Label's own fields first, then ours.

    Args:
        card: The model that answered.
        rescued: Its answer, and what it took.
        seconds: Wall time of each stage.
        mirror: Whether mirror images were averaged.
    """
    segmentation, label_map = rescued.segmentation, rescued.segmentation.label_map
    timed = {stage: round(duration, 4) for stage, duration in seconds.items()}
    timed["total"] = round(sum(seconds.values()), 4)
    return {
        "label_names": dict(label_map.labels),
        "latencies": _latencies(timed),
        "centroids": centroids(label_map),
        "label_colors": {name: list(color) for name, color in card.colors.items()},
        "volumes_ml": {name: round(ml, 4) for name, ml in label_map.volumes_ml.items()},
        "certainty": segmentation.certainty,
        "expected_dice": {
            name: round(expected, 4) for name, expected in segmentation.expected_dice.items()
        },
        "warnings": list(segmentation.warnings),
        "seconds": timed,
        "device": rescued.attempt.device,
        "memory": {"attempts": rescued.attempts, "patch_sizes": rescued.patch_sizes},
        "mirror": mirror,
        "model": {"name": card.name, "version": card.version},
        **_sampled(segmentation.sampled),
    }


def centroids(label_map: LabelMap) -> list[dict[str, list[int]]]:
    """Voxel index of each label's centre, in MONAI Label's layout; absent labels are left out."""
    names = {value: name for name, value in label_map.labels.items()}
    boxes = ndimage.find_objects(label_map.array, max_label=max(names, default=0))
    found = []
    for value, box in enumerate(boxes, start=1):
        if box is not None and value in names:
            inside = ndimage.center_of_mass(label_map.array[box] == value)
            centre = [round(s.start + c) for s, c in zip(box, inside, strict=True)]
            found.append({names[value]: centre})
    return found


def _sampled(sampled: Sampled | None) -> dict[str, Any]:
    if sampled is None:
        return {}
    told = {name: [round(ml, 4) for ml in found] for name, found in sampled.volumes_ml.items()}
    return {
        "sampled": {
            "volumes_ml": told,
            "agreement": round(sampled.agreement, 4),
            "evaluations": sampled.evaluations,
            **({"prior": asdict(sampled.prior)} if sampled.prior else {}),
        }
    }


def _latencies(seconds: Mapping[str, float]) -> dict[str, float]:
    prepared = seconds.get("preprocessing", 0.0)  # an ensemble counts it to its networks
    return {
        "pre": round(seconds["reading"] + prepared, 2),
        "infer": round(seconds["network"], 2),
        "invert": 0.0,
        "post": round(seconds["postprocessing"], 2),
        "write": round(seconds["writing"], 2),
        "total": round(seconds["total"], 2),
    }
