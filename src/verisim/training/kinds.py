"""The kinds of network that a plan can be carried out with."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from verisim.card import ModelCard
from verisim.diffusion import Sampling
from verisim.networks.medsegdiff import MedSegDiff
from verisim.networks.unet import UNet

NetworkKind = Literal["unet", "medsegdiff"]
"""nnU-Net's, or the diffusion model of the same stages."""


def of_kind(card: ModelCard, kind: NetworkKind) -> ModelCard:
    """An untrained model with a network of another kind, of the same stages and sizes."""
    if kind == "unet" or not isinstance(card.network, UNet):
        return card
    described = f"{card.description.rstrip('.')}, by diffusion."
    network = MedSegDiff.like(card.network)
    return replace(
        card, description=described, network=network, sampling=Sampling(), mirroring=True
    )
