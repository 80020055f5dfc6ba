"""Segmentation as a task of MONAI Label."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType
from monailabel.utils.others.generic import device_list

from lib.answer import answer
from lib.ask import SegmentAsk, segment_ask
from lib.loaded import LoadedModels
from lib.models import Models
from lib.queues import DeviceQueues
from verisim import files
from verisim.card import ModelCard
from verisim.errors import StorageFailed, UnsupportedVolume
from verisim.segmentation import Segmentation


class SegmentTask(InferTask):
    """One model, offered to every MONAI Label client.

    Args:
        name: Of the model.
        models: Where its newest version is found.
        loaded: Where its network stays between requests.
        queues: Where it waits for its device.
    """

    def __init__(
        self, name: str, models: Models, loaded: LoadedModels, queues: DeviceQueues
    ) -> None:
        card = models.card(name)
        super().__init__(
            type=InferType.SEGMENTATION,
            labels=dict(card.labels),
            dimension=3,
            description=card.description,
            config={"device": device_list()},
        )
        self._name = name
        self._models = models
        self._loaded = loaded
        self._queues = queues

    def info(self) -> dict[str, Any]:
        """What `/info/` tells about the model."""
        card = self._models.card(self._name)
        return {
            **super().info(),
            "version": card.version,
            "channels": list(card.channels),
            "colors": {name: list(color) for name, color in card.colors.items()},
            "seconds_per_volume": card.seconds_per_volume,
            "figures": dict(card.figures),
        }

    def is_valid(self) -> bool:
        """Whether the model can be offered."""
        return self._name in self._models.names

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
        return self._queues.run(ask.device, partial(self._segment, card, ask))

    def _segment(self, card: ModelCard, ask: SegmentAsk) -> tuple[str, dict[str, Any]]:
        start = time.perf_counter()
        segmenter = self._loaded.segmenter(card, ask.device)
        loaded = time.perf_counter()
        volume = files.read(ask.image, ask.series)
        read = time.perf_counter()
        segmentation = segmenter(volume)
        segmented = time.perf_counter()
        path = write_answer(ask, card, segmentation)
        written = time.perf_counter()
        around = {"loading": loaded - start, "reading": read - loaded}
        seconds = {**around, **segmentation.seconds, "writing": written - segmented}
        return str(path), answer(card, ask.device, segmentation, seconds)


def write_answer(ask: SegmentAsk, card: ModelCard, segmentation: Segmentation) -> Path:
    """Write the label map into a new temporary file.

    Raises:
        UnsupportedVolume: DICOM was asked for a volume that did not come as DICOM.
        StorageFailed: The disk refused; nothing is left behind.
    """
    if ask.suffix == ".dcm" and not ask.image.is_dir():
        raise UnsupportedVolume(
            "A DICOM segmentation belongs to a DICOM series, and this volume is none.",
            "Upload the series' files into a session, or ask for another result_extension.",
        )
    with ExitStack() as undo:
        path = _temporary(ask.suffix)
        undo.callback(path.unlink, missing_ok=True)
        reference = ask.image if ask.suffix == ".dcm" else None
        files.write(path, segmentation.label_map, card.colors, reference, ask.series)
        undo.pop_all()
    return path


def _temporary(suffix: str) -> Path:
    try:
        handle, name = tempfile.mkstemp(prefix="verisim-", suffix=suffix)
    except OSError as error:
        raise StorageFailed(
            f"The server has no room for the answer: {error.strerror}.",
            "Free some space in its temporary folder.",
        ) from error
    os.close(handle)
    return Path(name)
