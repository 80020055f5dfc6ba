"""The kinds of network that a card may describe, told apart by their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Tag

from verisim.networks.attributes import Attribute
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.networks.clicks import ClickUNet
from verisim.networks.latent_diffusion import LatentDiffusion
from verisim.networks.medsegdiff import MedSegDiff
from verisim.networks.random_contrast import RandomContrast
from verisim.networks.stylegan import StyleGan
from verisim.networks.unet import UNet

Diffusing = CaseDiffusion | LatentDiffusion
"""Networks that make cases out of noise, and can be told attributes of them."""

UNET, MEDSEGDIFF, CASE_DIFFUSION, STYLEGAN = "unet", "medsegdiff", "case-diffusion", "stylegan"
RANDOM_CONTRAST, LATENT_DIFFUSION, CLICKS = "random-contrast", "latent-diffusion", "clicks"
KINDS = (UNET, MEDSEGDIFF, CASE_DIFFUSION, LATENT_DIFFUSION, STYLEGAN, RANDOM_CONTRAST, CLICKS)


def kind_of(network: object) -> str:
    """The kind of a network, or of the fields of one."""
    fields = network if isinstance(network, Mapping) else {}
    if isinstance(network, CaseDiffusion) or "joint" in fields:
        return CASE_DIFFUSION
    if isinstance(network, LatentDiffusion) or "latents" in fields:
        return LATENT_DIFFUSION
    if isinstance(network, StyleGan) or "coarsest" in fields:
        return STYLEGAN
    if isinstance(network, RandomContrast) or "tissues" in fields:
        return RANDOM_CONTRAST
    if isinstance(network, ClickUNet) or "spread_mm" in fields:
        return CLICKS
    sampled = isinstance(network, MedSegDiff) or not {"dynamic", "ff_parser"}.isdisjoint(fields)
    return MEDSEGDIFF if sampled else UNET


Network = Annotated[
    Annotated[UNet, Tag(UNET)]
    | Annotated[MedSegDiff, Tag(MEDSEGDIFF)]
    | Annotated[CaseDiffusion, Tag(CASE_DIFFUSION)]
    | Annotated[LatentDiffusion, Tag(LATENT_DIFFUSION)]
    | Annotated[StyleGan, Tag(STYLEGAN)]
    | Annotated[RandomContrast, Tag(RANDOM_CONTRAST)]
    | Annotated[ClickUNet, Tag(CLICKS)],
    Discriminator(kind_of),
]
"""Any of them; what is wrong with one is said of that one."""


def attributes_of(network: Network) -> tuple[Attribute, ...]:
    """What may be asked of the cases that a network makes; nothing of most kinds."""
    return network.attributes if isinstance(network, Diffusing) else ()
