"""The kinds of network that a card may describe, told apart by their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Tag

from verisim.networks.medsegdiff import MedSegDiff
from verisim.networks.unet import UNet

UNET, MEDSEGDIFF = "unet", "medsegdiff"
KINDS = (UNET, MEDSEGDIFF)


def kind_of(network: object) -> str:
    """The kind of a network, or of the fields of one."""
    fields = network if isinstance(network, Mapping) else {}
    sampled = isinstance(network, MedSegDiff) or not {"dynamic", "ff_parser"}.isdisjoint(fields)
    return MEDSEGDIFF if sampled else UNET


Network = Annotated[
    Annotated[UNet, Tag(UNET)] | Annotated[MedSegDiff, Tag(MEDSEGDIFF)], Discriminator(kind_of)
]
"""Either of them; what is wrong with one is said of that one."""
