"""nnU-Net's plans beside ours: the same numbers, with axes in another order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from verisim.fingerprint import Fingerprint
from verisim.planning import Configuration, Plan

PROGRAM = Path(__file__).with_name("nnunet_planner.py")

KINDS = {
    "z-score": "ZScoreNormalization",
    "ct": "CTNormalization",
    "0-1": "RescaleTo01Normalization",
    "rgb": "RGBTo01Normalization",
    "none": "NoNormalization",
}

Job = tuple[Fingerprint, float, str]
"""A data set, gigabytes, and the preset."""


def nnunet_plans(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """What nnU-Net's own planner makes of fingerprints, all in one process."""
    asked = [
        {
            "fingerprint": _fingerprint(fingerprint),
            "dataset": _description(fingerprint),
            "memory": memory,
            "planner": preset,
        }
        for fingerprint, memory, preset in jobs
    ]
    done = subprocess.run(
        [sys.executable, PROGRAM],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "nnUNet_n_proc_DA": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    plans: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return plans


def assert_agree(ours: Plan, theirs: dict[str, Any]) -> None:
    """Every number of both plans is the same."""
    assert set(ours.names) == set(theirs["configurations"])
    for one in ours.configurations:
        other = theirs["configurations"][one.name]
        if "inherits_from" in other:
            assert one.previous == other["previous_stage"]
            other = theirs["configurations"][other["inherits_from"]]
        assert_configurations_agree(one, other, theirs["transpose_forward"])


def assert_configurations_agree(
    ours: Configuration, theirs: dict[str, Any], transpose: Sequence[int]
) -> None:
    """Spacing, patch, batch, normalization and network of one configuration."""
    # nnU-Net's axis is one of its arrays (Z, Y, X); a network for slices drops the first
    axes = [2 - axis for axis in transpose][-len(theirs["patch_size"]) :]
    network, expected = ours.network, theirs["architecture"]["arch_kwargs"]
    assert [ours.patch_size[axis] for axis in axes] == theirs["patch_size"]
    assert ours.batch_size == theirs["batch_size"]
    assert ours.batch_dice == theirs["batch_dice"]
    spacing = [ours.preprocessing.spacing_mm[axis] for axis in axes]
    assert spacing == pytest.approx(theirs["spacing"], abs=1e-6)
    shape = [ours.median_shape[axis] for axis in axes]
    assert shape == pytest.approx(theirs["median_image_size_in_voxels"])
    assert list(network.features) == expected["features_per_stage"]
    assert [[stride[axis] for axis in axes] for stride in network.strides] == expected["strides"]
    kernels = [[kernel[axis] for axis in axes] for kernel in network.kernel_sizes]
    assert kernels == expected["kernel_sizes"]
    depths = "n_blocks_per_stage" if network.residual else "n_conv_per_stage"
    assert list(network.encoder_depths) == expected[depths]
    assert list(network.decoder_depths) == expected["n_conv_per_stage_decoder"]
    steps = ours.preprocessing.normalization
    assert [KINDS[step.kind] for step in steps] == theirs["normalization_schemes"]
    assert [step.masked for step in steps] == theirs["use_mask_for_norm"]


def _fingerprint(fingerprint: Fingerprint) -> dict[str, Any]:
    seen = {str(k): asdict(channel) for k, channel in enumerate(fingerprint.intensities)}
    return {
        "spacings": [case.spacing_mm[::-1] for case in fingerprint.cases],
        "shapes_after_crop": [case.shape[::-1] for case in fingerprint.cases],
        "foreground_intensity_properties_per_channel": seen,
        "median_relative_size_after_cropping": fingerprint.relative_size,
    }


def _description(fingerprint: Fingerprint) -> dict[str, Any]:
    return {
        "channel_names": {str(k): name for k, name in enumerate(fingerprint.channels)},
        "labels": {"background": 0, **fingerprint.labels},
        "numTraining": len(fingerprint.cases),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
        "dataset": {"0": {"images": ["0.nii.gz"], "label": "0.nii.gz"}},
    }
