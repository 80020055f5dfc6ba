"""How well a segmentation agrees with the truth, and how sure that is.

Modules that need monai or scipy's statistics, which take seconds to load, are loaded when they
are asked for: who only segments does not wait for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from verisim.metrics.intervals import Interval, bootstrap_mean
from verisim.metrics.overlap import dice

if TYPE_CHECKING:
    from verisim.metrics.agreement import Agreement, compare
    from verisim.metrics.calibration import calibration_error, error_auroc, region_of_interest
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

_LATER = {
    "Agreement": "agreement",
    "compare": "agreement",
    "calibration_error": "calibration",
    "error_auroc": "calibration",
    "region_of_interest": "calibration",
    "hausdorff95_mm": "surface",
    "surface_dice": "surface",
}
"""In which module each of the others lies."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
