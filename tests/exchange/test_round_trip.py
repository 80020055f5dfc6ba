"""nnU-Net's own program and ours segment the same files with the same exported weights."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from tests.conftest import affine_of
from verisim import files
from verisim.card import ModelCard, write_model
from verisim.exchange.exporting import export_model
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.normalization import Normalization
from verisim.preprocessing import Preprocessing
from verisim.segmentation import NetworkSegmenter
from verisim.training.augmentation import seeded
from verisim.volume import LabelMap, Volume

TIE = 5e-3
"""Two classes whose probabilities differ by less are a tie: nnU-Net adds up halves."""

PROGRAM = Path(sys.executable).with_name("nnUNetv2_predict_from_modelfolder")

SPACE = UNet(
    features=(4, 8),
    strides=((1, 1, 1), (2, 2, 1)),
    kernel_sizes=((3, 3, 3), (3, 3, 3)),
)
SLICES = UNet(
    features=(4, 8),
    strides=((1, 1, 1), (2, 2, 1)),
    kernel_sizes=((3, 3, 1), (3, 3, 1)),
)


@pytest.fixture
def volumes(a_card: ModelCard) -> ModelCard:
    """Two networks of volumes, turned to RAS, intensities clipped like CT."""
    ct = Normalization("ct", mean=20.0, std=15.0, low=-10.0, high=55.0)
    return replace(
        a_card,
        preprocessing=Preprocessing("RAS", (0.9, 1.0, 2.0), (ct,), crop=True, order=3),
        patch_size=(16, 20, 8),
        network=SPACE,
        members=2,
        mirrored_axes=(0, 1, 2),
        mirroring=True,
    )


@pytest.fixture
def slices(a_card: ModelCard) -> ModelCard:
    """A network of slices, axes as stored, normalized inside the non-zero part."""
    masked = Normalization("z-score", masked=True)
    return replace(
        a_card,
        preprocessing=Preprocessing("", (0.9, 1.1, 0.0), (masked,), crop=True, order=3),
        patch_size=(16, 20, 1),
        network=SLICES,
        configuration="2d",
        mirrored_axes=(0, 1),
        mirroring=True,
    )


def balanced(card: ModelCard, folder: Path) -> ModelCard:
    """The card beside random weights that find every label about equally often."""
    with seeded(0):
        network = card.build()
        for member in getattr(network, "members", [network]):
            for parameter in member.parameters():
                nn.init.normal_(parameter, 0.3 if parameter.ndim == 1 else 0.0, 0.4)
            with torch.no_grad():
                logits = member(torch.randn(8, len(card.channels), *card.patch_size))
                member.decoder.seg_layers[-1].bias -= logits.mean((0, 2, 3, 4))
    return write_model(card, weights_of(network), folder / "models")


@dataclass(frozen=True)
class Answer:
    """nnU-Net's.

    Args:
        label_map: As it wrote it.
        probabilities: (K, X, Y, Z), turned to RAS where its reader does so.
    """

    label_map: LabelMap
    probabilities: np.ndarray


def images() -> dict[str, Volume]:
    """Blobs with a border of zeros: turned axes, and slices far apart; none at the spacing."""
    made = {}
    for name, shape, spacing, orientation in (
        ("oblique", (24, 30, 17), (1.2, 0.8, 1.5), "LPS"),
        ("apart", (28, 26, 9), (0.8, 0.8, 4.0), "PIR"),
    ):
        noise = np.random.default_rng(len(name)).normal(0, 1, shape)
        blobs = ndimage.gaussian_filter(noise, 1.5) * 120 + 25
        array = np.zeros(shape, np.float32)
        array[2:-1, 1:-2, 1:] = blobs[2:-1, 1:-2, 1:]
        volume = Volume(array, affine_of(spacing, (10.0, -5.0, 3.0), degrees=9))
        made[name] = volume.reoriented(orientation)
    return made


def nnunets_answers(card: ModelCard, folder: Path) -> dict[str, Answer]:
    """Export the model and let nnU-Net's program run it."""
    folds = export_model(card, folder / "model")
    (folder / "in").mkdir()
    for name, volume in images().items():
        files.write(folder / "in" / f"{name}_0000.nii.gz", volume)
    arguments = ("-i", folder / "in", "-o", folder / "out", "-m", folder / "model", "-f", *folds)
    done = subprocess.run(
        [PROGRAM, *arguments, "-device", "cpu", "-npp", "1", "-nps", "1", "--save_probabilities"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        name: Answer(
            files.read_label_map(folder / "out" / f"{name}.nii.gz", card.labels),
            np.load(folder / "out" / f"{name}.npz")["probabilities"].transpose(0, 3, 2, 1),
        )
        for name in images()
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["volumes", "slices"])
def test_both_programs_give_the_same_label_maps_up_to_ties(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    card = balanced(request.getfixturevalue(kind), tmp_path)
    theirs = nnunets_answers(card, tmp_path)
    segmenter = NetworkSegmenter(card)
    for name in images():
        ours = segmenter(files.read(tmp_path / "in" / f"{name}_0000.nii.gz")).label_map
        turn = card.preprocessing.orientation or ours.orientation
        one, other = ours.reoriented(turn).array, theirs[name].label_map.reoriented(turn).array
        differing = np.argwhere(one != other)
        sys.stdout.write(f"{kind} {name}: {len(differing)} of {one.size} voxels differ\n")
        for x, y, z in differing:
            probabilities = theirs[name].probabilities[:, x, y, z]
            lost = probabilities[other[x, y, z]] - probabilities[one[x, y, z]]
            assert abs(lost) < TIE, f"{len(differing)} voxels differ, not all of them ties"
        assert len(differing) < 0.01 * one.size
        assert len(np.unique(other)) == card.classes
