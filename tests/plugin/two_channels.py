"""Writes a model of two channels: the shipped U-Net, which sees half of each.

A program of its own, for the environment of the library: the plugin's has no networks.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from verisim.card import write_model
from verisim.installed import SHIPPED_MODELS, find_card

NAME = "hippocampus-pair"
SHIPPED = "hippocampus-unet"


def halved(weight: Tensor) -> Tensor:
    """A convolution of one channel as one of two that are alike; others as they are."""
    of_the_image = weight.ndim == 5 and weight.shape[1] == 1
    return weight.repeat(1, 2, 1, 1, 1) / 2 if of_the_image else weight


if __name__ == "__main__":
    card = find_card(SHIPPED, SHIPPED_MODELS)
    weights = {name: halved(weight) for name, weight in load_file(card.weights_path).items()}
    pair = replace(card, name=NAME, version=1, channels=("T1", "T1 again"), training=None)
    write_model(pair, weights, Path(sys.argv[1]))
