"""Volumes to be segmented, and what tells two label maps apart."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import torch

from verisim.card import ModelCard, write_model
from verisim.files import read, write
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.preprocessing import Preprocessing
from verisim.volume import Volume

STUDIES = Path(__file__).parents[2] / "sample-data" / "studies"
SAMPLE = STUDIES / "synthetic_001.nii.gz"

MODEL = "hippocampus-unet"

SECOND = "second"
"""Another model, which nobody trained."""

Tiles = tuple[int, int, int]

ONE: Tiles = (1, 1, 1)
"""One patch: a moment."""

MANY: Tiles = (2, 2, 2)
"""27 patches: seconds, enough to be hit in the middle."""


def tiled(path: Path, tiles: Tiles, seed: int = 0) -> Path:
    """Write the sample side by side with itself, under some noise so that no two are the same.

    Args:
        path: File; its suffix names the format.
        tiles: How often in each direction.
        seed: Of the noise.
    """
    sample = read(SAMPLE)
    array = np.tile(sample.array, tiles).astype(np.float32)
    array += np.random.default_rng(seed).normal(0, 2, array.shape).astype(np.float32)
    write(path, Volume(array.round().clip(0).astype(np.int16), sample.affine))
    return path


def voxel_hash(content: bytes, suffix: str) -> str:
    """A hash of the voxels and the geometry of a whole file; one that is cut off raises.

    Args:
        content: Of the file.
        suffix: Names its format.

    Raises:
        BadInput: It cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"label{suffix}"
        path.write_bytes(content)
        volume = read(path)
    digest = hashlib.sha256(np.ascontiguousarray(volume.array, np.int64).tobytes())
    digest.update(np.asarray(volume.affine, np.float64).round(4).tobytes())
    return digest.hexdigest()


def labelled_studies(folder: Path, cases: int) -> None:
    """Images with final labels, as MONAI Label's folder keeps them, to train on."""
    labels = folder / "labels" / "final"
    labels.mkdir(parents=True, exist_ok=True)
    label_map = read(STUDIES / "labels" / "final" / SAMPLE.name)
    for k in range(cases):
        name = f"case_{k}.nii.gz"
        tiled(folder / name, ONE, 1000 + k)
        write(labels / name, label_map)


def second_model(folder: Path) -> None:
    """An untrained network of two stages: another model than the shipped one."""
    network = UNet((4, 8), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)), 1)
    card = ModelCard(
        name=SECOND,
        description="Untrained, only to be loaded beside another.",
        channels=("MRI",),
        labels={"one": 1, "two": 2},
        colors={"one": (0.9, 0.3, 0.2), "two": (0.2, 0.5, 0.9)},
        preprocessing=Preprocessing(),
        patch_size=(16, 16, 16),
        network=network,
    )
    torch.manual_seed(0)
    write_model(card, weights_of(card.build()), folder)
