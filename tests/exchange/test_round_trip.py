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
from verisim import files, precision
from verisim.card import ModelCard, write_model
from verisim.exchange.exporting import export_model
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.normalization import Normalization
from verisim.preprocessing import Preprocessing
from verisim.segmentation import NetworkSegmenter
from verisim.training.augmentation import seeded
from verisim.volume import LabelMap, Volume

TIE = 2e-3
"""Two classes whose probabilities differ by less are a tie: nnU-Net adds up halves."""

ROUGH_TIE = 2e-2
"""The same where the processor multiplies bfloat16: its 8 binary digits stand against the 11 of
halves and the 24 of single precision, in each layer of a network of random weights."""

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
        # tiles lie along x only: in the corners of a patch nnU-Net's Gaussian is too small for
        # halves (10 exp(-24) of 6e-8), and its own answer is noise where nothing else is seen
        patch_size=(16, 40, 32),
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
                last = member.decoder.seg_layers[-1]
                last.bias.sub_(logits.mean((0, 2, 3, 4))).div_(logits.std())
                last.weight.div_(logits.std())
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
    kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    card = balanced(request.getfixturevalue(kind), tmp_path)
    theirs = nnunets_answers(card, tmp_path)
    segmenter = NetworkSegmenter(card)
    for name, answer in theirs.items():
        volume = files.read(tmp_path / "in" / f"{name}_0000.nii.gz")
        check_ties(f"{kind} {name}, as the processor has it", segmenter, volume, answer, ROUGH_TIE)
        with monkeypatch.context() as patched:
            patched.setattr(precision, "has_bfloat16", lambda kind: False)
            check_ties(f"{kind} {name}, full precision", segmenter, volume, answer, TIE)


def check_ties(
    what: str, segmenter: NetworkSegmenter, volume: Volume, theirs: Answer, tie: float
) -> None:
    """Every voxel that differs is one where nnU-Net's two classes are about as probable."""
    card, label_map = segmenter.card, segmenter(volume).label_map
    turn = card.preprocessing.orientation or volume.orientation
    ours, other = label_map.reoriented(turn).array, theirs.label_map.reoriented(turn).array
    differing = np.argwhere(ours != other)
    lost = [
        float(theirs.probabilities[other[x, y, z], x, y, z])
        - float(theirs.probabilities[ours[x, y, z], x, y, z])
        for x, y, z in differing
    ]
    said = f"{what}: {len(differing)} of {ours.size} voxels differ, by {max(lost, default=0):.1g}"
    sys.stdout.write(said + "\n")
    assert max(lost, default=0.0) < tie, said
    assert len(differing) < 0.01 * ours.size, said
    assert len(np.unique(other)) == card.classes
