"""Writes two models that the stories need beside the shipped ones.

A program of its own, for the environment of the library: the plugin's has no networks.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from verisim.card import ModelCard, write_model
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of

SMALL = UNet((8, 16), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)), 1)
"""Of two stages: learns for some seconds."""


def pair(card: ModelCard, folder: Path) -> None:
    """The shipped U-Net with two channels: it sees half of each."""
    weights = {name: _halved(weight) for name, weight in load_file(card.weights_path).items()}
    channels = ("T1", "T1 again")
    made = replace(card, name="hippocampus-pair", version=1, channels=channels, training=None)
    write_model(made, weights, folder)


def small(card: ModelCard, folder: Path) -> None:
    """A small network of the same labels that has learned nothing yet."""
    made = replace(
        card,
        name="hippocampus-small",
        version=1,
        network=SMALL,
        patch_size=(24, 24, 24),
        training=None,
        figures={},
        expectations={},
    )
    torch.manual_seed(0)
    write_model(made, weights_of(made.build()), folder)


def _halved(weight: Tensor) -> Tensor:
    """A convolution of one channel as one of two that are alike; others as they are."""
    of_the_image = weight.ndim == 5 and weight.shape[1] == 1
    return weight.repeat(1, 2, 1, 1, 1) / 2 if of_the_image else weight


if __name__ == "__main__":
    shipped = find_card("hippocampus-unet", SHIPPED_MODELS)
    for write in (pair, small):
        write(shipped, Path(sys.argv[1]))
