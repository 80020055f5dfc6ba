"""How well a segmentation agrees with the truth, and how sure that is."""

from verisim.metrics.agreement import Agreement, compare
from verisim.metrics.calibration import calibration_error, error_auroc, region_of_interest
from verisim.metrics.intervals import Interval, bootstrap_mean
from verisim.metrics.overlap import dice
from verisim.metrics.surface import hausdorff95_mm, surface_dice

__all__ = [
    "Agreement",
    "Interval",
    "bootstrap_mean",
    "calibration_error",
    "compare",
    "dice",
    "error_auroc",
    "hausdorff95_mm",
    "region_of_interest",
    "surface_dice",
]
