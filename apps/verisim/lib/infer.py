"""Segmentation as a task of MONAI Label."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.utils.others.generic import device_list, remove_file

from lib.ask import SegmentAsk, segment_ask
from lib.jobs.opening import AtOnce
from lib.loaded import LoadedModels
from lib.models import Models
from lib.sources import stored_image
from verisim import files, mirroring
from verisim.answer import answer
from verisim.card import ModelCard
from verisim.errors import StorageFailed, VerisimError
from verisim.jobs.segmenting import rescued_by
from verisim.progress import SILENT, Progress
from verisim.segmentation import Segmentation


class SegmentTask(InferTask):
    """One model, offered to every MONAI Label client.

    Args:
        name: Of the model.
        models: Where its newest version is found.
        loaded: Where its networks stay between requests.
        at_once: Where it waits for its device.
    """

    def __init__(self, name: str, models: Models, loaded: LoadedModels, at_once: AtOnce) -> None:
        card = models.card(name)
        super().__init__(
            type=InferType.SEGMENTATION,
            labels=dict(card.labels),
            dimension=3,
            description=card.description,
        )
        self._name = name
        self._models = models
        self._loaded = loaded
        self._at_once = at_once

    def info(self) -> dict[str, Any]:
        """What `/info/` tells about the newest version of the model."""
        card = self._models.card(self._name)
        return {
            **super().info(),
            "labels": dict(card.labels),
            "description": card.description,
            "version": card.version,
            "configuration": card.configuration,
            "members": card.members,
            "ensemble": list(card.ensemble),
            "previous": card.previous,
            "mirrored_axes": mirroring.mirrored_axes(self._models.parts(card)),
            "mirroring": self._mirrors(card),
            "channels": list(card.channels),
            "colors": {name: list(color) for name, color in card.colors.items()},
            "seconds_per_volume": card.seconds_per_volume,
            "figures": dict(card.figures),
        }

    def config(self) -> dict[str, Any]:
        """What a client may choose, with the defaults; a list is a choice."""
        card = self._models.card(self._name)
        choices = {"device": device_list(), "mirror": self._mirrors(card)}
        return {**choices, **_sampled_by(self._models.parts(card))}

    def is_valid(self) -> bool:
        """Whether the model can be offered: it is there, and so are those that it names."""
        try:
            self._models.parts(self._models.card(self._name))
        except VerisimError:
            return False
        return True

    def get_path(self, validate: bool = True) -> str | None:
        """The file of weights, for `GET /model`."""
        path = self._models.card(self._name).weights_path
        return str(path) if path.is_file() or not validate else None

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Segment one volume.

        Returns:
            A temporary file, to be deleted by the caller, and what a client shows about it.

        Raises:
            VerisimError: The request cannot be answered; the class says why.
        """
        ask = segment_ask(request)
        card = self._models.card(self._name)
        parts = self._models.parts(card)
        ask.wish.check(parts)
        asked = replace(ask, mirroring=mirroring.checked_wish(parts, ask.mirroring))
        return self._at_once.run(ask.device, partial(self.segment, card, asked))

    def _mirrors(self, card: ModelCard) -> bool:
        return mirroring.by_default(self._models.parts(card))

    def segment(
        self, card: ModelCard, ask: SegmentAsk, progress: Progress = SILENT
    ) -> tuple[str, dict[str, Any]]:
        """Segment one volume now, whoever else is at the device.

        Args:
            card: The version of the model that answers.
            ask: Its wish for mirror images has been checked against the card.
            progress: Hears of every patch; may cancel between two.

        Returns:
            A temporary file, to be deleted by the caller, and what a client shows about it.

        Raises:
            VerisimError: The request cannot be answered; the class says why.
        """
        start = time.perf_counter()
        volume = files.read(ask.image, ask.series, len(card.channels))
        read = time.perf_counter()
        parts = self._models.parts(card)
        rescued = rescued_by(
            self._loaded, parts, volume, ask.device, ask.mirroring, progress, wish=ask.wish
        )
        segmented = time.perf_counter()
        path = write_answer(ask, card, rescued.segmentation)
        writing = time.perf_counter() - segmented
        seconds = {"reading": read - start, **rescued.segmentation.seconds, "writing": writing}
        mirrored = self._mirrors(card) if ask.mirroring is None else ask.mirroring
        return str(path), answer(card, rescued, seconds, mirrored)


def infer_and_keep(
    task: InferTask, request: Mapping[str, Any], store: Datastore
) -> dict[str, Any]:
    """Run a task as MONAI Label does, but never on a file that a client named.

    Args:
        request: Its `image` is the id of an image in the datastore, or a `Path` that the server
            itself chose; with `save_label` the result becomes the label of that id.

    Raises:
        BadInput: The id is a path.
        NotFound: There is no image of that id.
    """
    image = request.get("image")
    source = image if isinstance(image, Path) else stored_image(store, str(image or ""))
    path, params = task({**request, "image": source})
    label, tag = path, request.get("label_tag") or DefaultLabelTag.ORIGINAL
    if request.get("save_label") and not isinstance(image, Path):
        with ExitStack() as undo:
            undo.callback(remove_file, path)
            info = {"model": request["model"], "params": params}
            label = store.save_label(image, path, tag, info)
            undo.pop_all()
    return {"label": label, "tag": DefaultLabelTag.ORIGINAL, "file": path, "params": params}


def _sampled_by(parts: Sequence[ModelCard]) -> dict[str, int]:
    """How a diffusion model among some samples unless asked otherwise."""
    sampling = next((part.sampling for part in parts if part.sampling), None)
    if sampling is None:
        return {}
    return {"samples": sampling.samples, "steps": sampling.steps, "seed": sampling.seed}


def write_answer(ask: SegmentAsk, card: ModelCard, segmentation: Segmentation) -> Path:
    """Write the label map into a new temporary file.

    Raises:
        StorageFailed: The disk refused; nothing is left behind.
    """
    with ExitStack() as undo:
        path = temporary(ask.suffix)
        undo.callback(path.unlink, missing_ok=True)
        reference = ask.image if ask.suffix == ".dcm" else None
        files.write(path, segmentation.label_map, card.colors, reference, ask.series)
        undo.pop_all()
    return path


def temporary(suffix: str) -> Path:
    """A new, empty file.

    Raises:
        StorageFailed: The disk refused.
    """
    try:
        handle, name = tempfile.mkstemp(prefix="verisim-", suffix=suffix)
    except OSError as error:
        raise StorageFailed(
            f"The server has no room for the answer: {error.strerror}.",
            "Free some space in its temporary folder.",
        ) from error
    os.close(handle)
    return Path(name)
