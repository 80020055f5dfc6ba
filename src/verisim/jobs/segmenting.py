"""Segmenting one volume as a job."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field

from verisim import files, mirroring
from verisim.answer import answer
from verisim.card import ModelCard
from verisim.diffusion.sampling import MOST
from verisim.ensembles import segmenter_of
from verisim.errors import NotFound, Unavailable
from verisim.installed import SHIPPED_MODELS, find_card, parts_of
from verisim.jobs.kind import Task
from verisim.jobs.processor import on_processor
from verisim.map_files import MapFiles, map_files, map_suffix
from verisim.maps import MAP_KINDS, MapKind
from verisim.memory import hand_back
from verisim.progress import SILENT, Progress, Share
from verisim.rescue import AS_ASKED, Attempt, Rescued, Sparing, segment_within
from verisim.sampling_wish import AS_ITS_CARD_SAYS, SamplingWish
from verisim.segmentation import Segmenter
from verisim.volume import Volume

Extension = Literal[".nrrd", ".nii.gz", ".nii", ".seg.nrrd", ".dcm"]
"""Formats of a label map."""

Output = Literal["label", "report", "probability", "uncertainty"]
"""What a segmentation may leave: the label map, the answer as a file of its own, and maps."""

READ, SEGMENTED = 2, 98
"""Percent when the volume is read, and when its label map is ready to be written: of a job that is
long enough to be waited for, both take about a hundredth of the time."""


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
    outputs: tuple[Output, ...] = Field(("label",), min_length=1, max_length=4)
    save_label: bool = False
    label_tag: str = Field("original", max_length=64)

    @property
    def wish(self) -> SamplingWish:
        """How a diffusion model is to sample."""
        return SamplingWish(self.samples, self.steps, seed=self.seed)

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


class Labels(Protocol):
    """Where labels of images are kept."""

    def save(self, image: str, label: Path, tag: str, info: Mapping[str, Any]) -> None:
        """Keep a copy of a label map as the label of an image; an older one of the tag goes.

        Raises:
            VerisimError: It cannot be kept; the class says why.
        """


class Networks(Protocol):
    """Where the networks of models come from."""

    def segmenter(
        self,
        card: ModelCard,
        device: str,
        mirroring: bool | None = None,
        sparing: Sparing = AS_ASKED,
        maps: tuple[MapKind, ...] = (),
        wish: SamplingWish = AS_ITS_CARD_SAYS,
    ) -> Segmenter:
        """The model on the device, made to tell some maps."""

    def make_room(self, device: str, but: str) -> str | None:
        """Let another model than `but` leave the device; its name, or None if there is none."""


@dataclass(frozen=True)
class Unshared:
    """Networks that are loaded for one volume, and forgotten.

    Args:
        folders: Of the models.
    """

    folders: tuple[Path, ...]

    def segmenter(
        self,
        card: ModelCard,
        device: str,
        mirroring: bool | None = None,
        sparing: Sparing = AS_ASKED,
        maps: tuple[MapKind, ...] = (),
        wish: SamplingWish = AS_ITS_CARD_SAYS,
    ) -> Segmenter:
        """The model on the device, made to tell some maps."""
        return segmenter_of(
            card, device, mirroring, self.folders, sparing=sparing, maps=maps, wish=wish
        )

    def make_room(self, device: str, but: str) -> str | None:
        """No other model is there that could leave."""
        return None


@dataclass(frozen=True)
class Segmenting:
    """Segments the volume among the inputs: one file, or the files of one DICOM series.

    It leaves `label` with the suffix that was asked for, and if asked for `report.json`,
    `probability-LABEL` of each label and `uncertainty`, and answers as `/infer` does.

    Args:
        folders: Of the models; workers on other machines need the same.
        networks: Where they come from in this process; a pickled copy loads its own.
        labels: Where this process keeps labels, if somebody asks for it.
    """

    folders: tuple[Path, ...] = (SHIPPED_MODELS,)
    networks: Networks | None = field(default=None, compare=False, repr=False)
    labels: Labels | None = field(default=None, compare=False, repr=False)
    name: str = field(default="segment", init=False)
    brief: bool = field(default=True, init=False)

    def __reduce__(self) -> tuple[type[Segmenting], tuple[object, ...]]:
        """As it is sent to another machine: without the networks and labels of this one."""
        return type(self), (self.folders,)

    def models(self, request: Mapping[str, Any]) -> tuple[ModelCard, ...]:
        """The model that a request names, and all that this one needs.

        Raises:
            NotFound: One of them is not there.
        """
        card = find_card(str(request["model"]), *self.folders)
        return parts_of(card, lambda name: find_card(name, *self.folders, card.folder))

    def with_models_in(self, folder: Path) -> Segmenting:
        """The same, with the models of one folder alone."""
        return Segmenting((folder,))

    def run(self, task: Task, progress: Progress) -> Mapping[str, Any]:
        """Segment; see `Kind`."""
        asked = SegmentOrder.model_validate(dict(task.request))
        parts = self.models(task.request)
        card, mirror = parts[0], mirroring.checked_wish(parts, asked.mirror)
        asked.wish.check(parts)
        progress.advance(0, 100, "reading")
        start = time.perf_counter()
        source = volume_in(task.inputs)
        volume = files.read(source, asked.series or None)
        read = time.perf_counter()
        networks = self.networks or Unshared(self.folders)
        during = Share(progress, READ, SEGMENTED)
        maps = asked.maps(task.results, card.labels)
        rescued = rescued_by(
            networks, parts, volume, task.device, mirror, during, maps.kinds, asked.wish
        )
        progress.advance(SEGMENTED, 100, "writing")
        segmented = time.perf_counter()
        reference = source if asked.result_extension == ".dcm" else None
        path = task.results / f"label{asked.result_extension}"
        label_map = rescued.segmentation.label_map
        files.write(path, label_map, card.colors, reference, asked.series or None)
        for map_path, one in maps.of(rescued.segmentation.maps):
            progress.advance(SEGMENTED, 100, f"writing {map_path.name}")
            files.write(map_path, one)
        writing = time.perf_counter() - segmented
        seconds = {"reading": read - start, **rescued.segmentation.seconds, "writing": writing}
        mirrored = mirroring.by_default(parts) if mirror is None else mirror
        told = {**answer(card, rescued, seconds, mirrored), **_named(maps)}
        if "report" in asked.outputs:
            (task.results / "report.json").write_text(json.dumps(told, indent=2))
        return told

    def settle(self, task: Task, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep the label map as the label of its image, if asked for; see `Settling`."""
        asked = SegmentOrder.model_validate(dict(task.request))
        if not asked.label_of:
            return answer
        if self.labels is None:
            raise Unavailable("No labels are kept here.", "Ask without save_label.")
        saved = task.scratch / "label-saved"
        if not saved.exists():
            label = task.results / f"label{asked.result_extension}"
            info = {"model": asked.model, "params": dict(answer)}
            self.labels.save(asked.label_of, label, asked.label_tag, info)
            saved.touch()
        return {**answer, "label_tag": asked.label_tag}


def rescued_by(
    networks: Networks,
    parts: Sequence[ModelCard],
    volume: Volume,
    device: str,
    mirroring: bool | None = None,
    progress: Progress = SILENT,
    maps: tuple[MapKind, ...] = (),
    wish: SamplingWish = AS_ITS_CARD_SAYS,
) -> Rescued:
    """Segment one volume, with less memory where there is not enough.

    What a graphics card leaves to the processor waits for its turn there.

    Args:
        networks: Where they come from.
        parts: The model that is asked, then those that it names.
        volume: With as many channels as the model lists.
        device: Where it is asked for.
        mirroring: Whether to average over mirror images; None as the cards say.
        progress: Hears of every patch; may cancel between two.
        maps: What is told of each voxel beside its label.
        wish: How diffusion models sample.

    Raises:
        VerisimError: It cannot be answered; the class says why.
    """
    card = parts[0]

    def made(attempt: Attempt) -> Segmenter:
        return networks.segmenter(card, attempt.device, mirroring, attempt.sparing, maps, wish)

    answering = [part for part in parts if not part.ensemble]
    make_room = partial(networks.make_room, but=card.name)
    try:
        return segment_within(made, answering, volume, device, progress, make_room, on_processor)
    finally:
        hand_back(device)


def _named(maps: MapFiles) -> dict[str, Any]:
    """For the answer: which file holds the map of which label, since names are made safe."""
    named = {label: path.name for label, path in maps.probability.items()}
    found = {"probability": named, "uncertainty": maps.uncertainty and maps.uncertainty.name}
    return {"maps": found} if maps.paths else {}


def volume_in(folder: Path) -> Path:
    """The volume among the inputs of a job: its only file, or the folder of a series.

    Raises:
        NotFound: There is none.
    """
    found = sorted(folder.iterdir())
    if not found:
        raise NotFound("The job has no volume.", "Hand it in again with one.")
    return found[0] if len(found) == 1 else folder
