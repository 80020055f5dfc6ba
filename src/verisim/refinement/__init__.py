"""Corrections by clicks: what a reader says about single voxels changes what is around them."""

from verisim.refinement.clicks import Click
from verisim.refinement.refiner import as_segmentation, refine

__all__ = ["Click", "as_segmentation", "refine"]
