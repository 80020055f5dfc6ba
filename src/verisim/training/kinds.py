"""The kinds of network that a plan can be carried out with."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from verisim.card import ModelCard
from verisim.diffusion import Generation, Sampling
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.networks.latent_diffusion import LatentDiffusion
from verisim.networks.medsegdiff import MedSegDiff
from verisim.networks.stylegan import Latents, StyleGan
from verisim.networks.unet import UNet

NetworkKind = Literal["unet", "medsegdiff"]
"""nnU-Net's, or the diffusion model of the same stages."""

GeneratorKind = Literal["diffusion", "latent", "stylegan"]
"""What makes cases out of noise in many steps, voxel by voxel or behind an autoencoder, or out of
latent vectors in one."""


def of_kind(card: ModelCard, kind: NetworkKind) -> ModelCard:
    """An untrained model with a network of another kind, of the same stages and sizes."""
    if kind == "unet" or not isinstance(card.network, UNet):
        return card
    described = f"{card.description.rstrip('.')}, by diffusion."
    network = MedSegDiff.like(card.network)
    return replace(
        card, description=described, network=network, sampling=Sampling(), mirroring=True
    )


def _joined(card: ModelCard) -> str:
    *others, last = card.channels
    return f"{', '.join(others)} and {last}" if others else last


def generator_of(
    card: ModelCard,
    description: str = "",
    joint: bool = False,
    kind: GeneratorKind = "diffusion",
) -> ModelCard:
    """An untrained model that makes cases such as a planned U-Net would segment."""
    assert isinstance(card.network, UNet), "planned for segmentation"
    by = {"diffusion": "diffusion", "latent": "latent diffusion", "stylegan": "a StyleGAN"}[kind]
    about = description or f"New cases of {_joined(card)}, with their labels, by {by}."
    if kind == "stylegan":
        network = StyleGan.like(card.network, card.patch_size)
        return replace(
            card, kind="synthesis", description=about, network=network, generation=Latents()
        )
    latent = kind == "latent"
    diffusion = (
        LatentDiffusion.like(card.network) if latent else CaseDiffusion.like(card.network, joint)
    )
    return replace(
        card, kind="synthesis", description=about, network=diffusion, generation=Generation()
    )
