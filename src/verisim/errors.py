"""Every error a person can meet, each with the remedy.

VerisimError
├── BadInput                the request cannot be answered as it stands
│   ├── UnreadableFile      truncated, empty, or not what its name says
│   ├── UnsupportedVolume   4-D, RGB, NaN, zero size
│   ├── BadGeometry         singular or sheared affine, volumes that do not share a grid
│   ├── BadSeries           missing or duplicate slices, gantry tilt
│   ├── SeveralSeries       the folder holds more than one series: which one?
│   ├── WrongChannels       the model wants another number of channels
│   ├── BadDataset          images, labels or splits that contradict each other
│   ├── BadCard             a model card or weights that contradict each other
│   ├── BadPlan             a plan that is incomplete or contradicts itself
│   ├── Unreleased          synthetic cases that no audit let out
│   ├── UnsafeCheckpoint    a file of weights that wants to run code
│   └── UnsupportedModel    a model that the other program's networks cannot express
├── NotFound                no such file, model, case
├── Conflict                the thing exists already, or is busy
├── TooLarge                would not fit into memory or the agreed limit
│   └── OutOfMemory         memory ran out on the way
├── StorageFailed           the disk refused (full, read-only)
├── Unavailable             device or service busy or missing
│   └── Busy                more waits already than is agreed
└── Cancelled               the caller asked to stop

VerisimWarning              an answer that a person should not trust blindly
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class VerisimError(Exception):
    """An error that says what is wrong and how to mend it.

    Args:
        message: What was found and which rule it breaks.
        remedy: What the person can do.
    """

    code = "error"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class BadInput(VerisimError):
    """The request cannot be answered as it stands."""

    code = "bad_input"


class UnreadableFile(BadInput):
    """A file that is truncated, empty, or not what its name says."""

    code = "unreadable_file"


class UnsupportedVolume(BadInput):
    """An image that is no 3-D volume of finite numbers."""

    code = "unsupported_volume"


class BadGeometry(BadInput):
    """An affine that is singular or sheared, or volumes that do not share a grid."""

    code = "bad_geometry"


class BadSeries(BadInput):
    """A DICOM series with missing or duplicate slices or a tilted gantry."""

    code = "bad_series"


class SeveralSeries(BadInput):
    """A DICOM folder with more than one series, and none chosen."""

    code = "several_series"


class WrongChannels(BadInput):
    """A volume with another number of channels than the model wants."""

    code = "wrong_channels"


class BadDataset(BadInput):
    """A data set whose images, labels or splits contradict each other."""

    code = "bad_dataset"


class BadCard(BadInput):
    """A model card or weights that are incomplete or contradict each other."""

    code = "bad_card"


class BadPlan(BadInput):
    """A plan that is incomplete or contradicts itself."""

    code = "bad_plan"


class Unreleased(BadInput):
    """A synthetic case that no audit has let out, or that is not as the audit saw it."""

    code = "unreleased"


class UnsafeCheckpoint(BadInput):
    """A file of weights that wants to run code when it is opened."""

    code = "unsafe_checkpoint"


class UnsupportedModel(BadInput):
    """A model of another program that cannot be run here, or one of ours that it cannot run."""

    code = "unsupported_model"


class NotFound(VerisimError):
    """A file, model or case that does not exist."""

    code = "not_found"


class Conflict(VerisimError):
    """Something that exists already, or is busy."""

    code = "conflict"


class TooLarge(VerisimError):
    """A volume or upload beyond the agreed limit."""

    code = "too_large"


class OutOfMemory(TooLarge):
    """A device whose memory ran out while it computed: it may succeed with less at once."""


class StorageFailed(VerisimError):
    """A disk that refused to store a file."""

    code = "storage_failed"


class Unavailable(VerisimError):
    """A device or service that is busy or missing."""

    code = "unavailable"


class Busy(Unavailable):
    """More work waits already than was agreed; some of it must end first."""

    code = "busy"


class Diverged(VerisimError):
    """A model gave numbers that are none."""

    code = "diverged"


class Cancelled(VerisimError):
    """The caller asked to stop."""

    code = "cancelled"


class VerisimWarning(UserWarning):
    """Something that a person should know before trusting an answer."""


@contextmanager
def heard_warnings() -> Iterator[list[str]]:
    """A list that holds, after the block, what our own readers warned of inside it.

    Warnings of third parties are not for the person who asked.
    """
    told: list[str] = []
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", VerisimWarning)
        yield told
    told.extend(str(warning.message) for warning in heard)
