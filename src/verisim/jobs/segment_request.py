"""What may be asked of a segmentation as a job."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from verisim.diffusion.sampling import MOST
from verisim.map_files import MapFiles, map_files, map_suffix
from verisim.maps import MAP_KINDS
from verisim.questions import numbered
from verisim.sampling_wish import SamplingWish

Extension = Literal[".nrrd", ".nii.gz", ".nii", ".seg.nrrd", ".dcm"]
"""Formats of a label map."""

Output = Literal["label", "report", "probability", "uncertainty", "samples"]
"""What a segmentation may leave: the label map, the answer as a file of its own, maps, and the
label map of each sample of a diffusion model."""


class SegmentRequest(BaseModel, frozen=True, extra="forbid"):
    """What may be asked of a segmentation.

    Args:
        model: Its name.
        device: auto, cpu, cuda:0, …
        mirror: Whether to average over mirror images; None as the model's card says.
        samples: Masks of a diffusion model; None as its card says.
        steps: Of a diffusion model, from noise to mask; None as its card says.
        seed: Of its noise; None as its card says.
        result_extension: Format of the label map.
        series: SeriesInstanceUID, of several in the uploaded files; empty for the only one.
        outputs: Files to leave; the label map is always left.
        save_label: Whether the label map becomes the label of the datastore's image.
        label_tag: Of that label.
    """

    model: str = Field(min_length=1, max_length=200)
    device: str = Field("auto", max_length=40)
    mirror: bool | None = None
    samples: int | None = Field(None, ge=1, le=MOST)
    steps: int | None = Field(None, ge=1, le=MOST)
    seed: int | None = Field(None, ge=0, lt=2**31)
    result_extension: Extension = ".nrrd"
    series: str = Field("", max_length=64, pattern=r"^[0-9.]*$")
    outputs: tuple[Output, ...] = Field(("label",), min_length=1, max_length=5)
    save_label: bool = False
    label_tag: str = Field("original", max_length=64)

    @property
    def wish(self) -> SamplingWish:
        """How a diffusion model is to sample."""
        kept = "samples" in self.outputs
        return SamplingWish(self.samples, self.steps, seed=self.seed, kept=kept)

    def sample_files(self, folder: Path, count: int) -> tuple[Path, ...]:
        """Where the label maps of the samples go, if they are asked for."""
        wanted = count if "samples" in self.outputs else 0
        return numbered(folder / f"sample{self.result_extension}", wanted)

    def maps(self, folder: Path, labels: Iterable[str]) -> MapFiles:
        """Where the maps go that are asked for, in the label map's format if that holds them."""
        suffix = map_suffix(self.result_extension)
        probability, uncertainty = (
            folder / f"{kind}{suffix}" if kind in self.outputs else None for kind in MAP_KINDS
        )
        return map_files(probability, uncertainty, labels)


class SegmentOrder(SegmentRequest, frozen=True, extra="forbid"):
    """The same as the server keeps it.

    Args:
        label_of: Id of the image of the datastore whose label the label map becomes.
    """

    label_of: str = ""
