"""Segmenting one volume as a job."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from verisim import files, mirroring
from verisim.answer import answer
from verisim.card import ModelCard
from verisim.consensus import Sampled
from verisim.ensembles import segmenter_of
from verisim.errors import NotFound, Unavailable
from verisim.installed import SHIPPED_MODELS, find_card, parts_of
from verisim.jobs.kind import Task
from verisim.jobs.processor import on_processor
from verisim.jobs.segment_request import SegmentOrder, SegmentRequest
from verisim.map_files import MapFiles
from verisim.maps import MapKind
from verisim.memory import hand_back
from verisim.progress import SILENT, Progress, Share
from verisim.rescue import AS_ASKED, Attempt, Rescued, Sparing, segment_within
from verisim.sampling_wish import AS_ITS_CARD_SAYS, SamplingWish
from verisim.segmentation import Segmenter
from verisim.volume import LabelMap, Volume

READ, SEGMENTED = 2, 98
"""Percent when the volume is read, and when its label map is ready to be written: of a job that is
long enough to be waited for, both take about a hundredth of the time."""


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
    `probability-LABEL` of each label, `uncertainty` and `sample-1` to `sample-N`, and answers as
    `/infer` does.

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
        volume = files.read(source, asked.series or None, len(card.channels))
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
        for sample_path, sample in _samples(asked, task.results, rescued.segmentation.sampled):
            progress.advance(SEGMENTED, 100, f"writing {sample_path.name}")
            files.write(sample_path, sample, card.colors, reference, asked.series or None)
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


def _samples(
    asked: SegmentRequest, folder: Path, sampled: Sampled | None
) -> Iterator[tuple[Path, LabelMap]]:
    """Each file of a sample that was asked for, and what belongs into it."""
    drawn = sampled.label_maps if sampled else ()
    return zip(asked.sample_files(folder, len(drawn)), drawn, strict=False)


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
