"""Corrections by clicks: what a reader says about single voxels changes what is around them."""

from verisim.refinement.clicks import Click
from verisim.refinement.method import Method, corrector_of, known_cards, name_of
from verisim.refinement.network import ClickNetwork
from verisim.refinement.refiner import as_segmentation, refine

__all__ = [
    "Click",
    "ClickNetwork",
    "Method",
    "as_segmentation",
    "corrector_of",
    "known_cards",
    "name_of",
    "refine",
]
