"""Correcting what a model said, by all clicks so far."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from lib.ask import SegmentAsk, segment_ask
from lib.infer import write_answer
from lib.jobs.asking import parsed
from lib.jobs.opening import AtOnce
from lib.loaded import LoadedModels
from lib.models import Models
from lib.starts import Start, Starts, Wanted, content_of
from verisim import files, mirroring
from verisim.answer import answer
from verisim.card import ModelCard
from verisim.installed import unknown_model
from verisim.jobs.segmenting import rescued_by
from verisim.refinement import (
    Click,
    ClickNetwork,
    Method,
    as_segmentation,
    corrector_of,
    name_of,
    refine,
)
from verisim.rescue import Attempt, Rescued

MOST = 1000
"""Clicks in one request."""


class ClickAsked(BaseModel, frozen=True, extra="forbid"):
    """One click, as clients send it.

    Args:
        position_mm: RAS.
        label: Its name.
        belongs: Whether the place belongs to it.
    """

    position_mm: tuple[float, float, float]
    label: str = Field(min_length=1, max_length=200)
    belongs: bool = True


class RefineRequest(BaseModel, frozen=True, extra="ignore"):
    """What is said of a segmentation; the rest of the request is as for `/infer`.

    Args:
        clicks: All of them, not only the newest; without any the answer is the model's own.
        by: "auto": a click network with the model's labels answers, if there is one.
    """

    clicks: tuple[ClickAsked, ...] = Field(max_length=MOST)
    by: Method = "auto"

    @property
    def said(self) -> tuple[Click, ...]:
        """The clicks."""
        return tuple(Click(one.position_mm, one.label, one.belongs) for one in self.clicks)


@dataclass(frozen=True)
class Refining:
    """Answers clicks: the model is asked at the first one, and its answer kept for the others.

    Args:
        models: Where the newest version of each is found.
        loaded: Where their networks stay between requests.
        at_once: Where a model waits for its device; clicks themselves wait for nothing.
        starts: Where answers are kept.
    """

    models: Models
    loaded: LoadedModels
    at_once: AtOnce
    starts: Starts

    def __call__(
        self, model: str, request: Mapping[str, Any], user: str, label: Path | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Correct a segmentation of one volume.

        Args:
            model: Whose answer is corrected, and whose labels may be named.
            request: Its `image` is a path that the server itself chose.
            user: Who asks.
            label: A label map that is corrected instead of the model's answer.

        Returns:
            A temporary file, to be deleted by the caller, and what a client shows about it.

        Raises:
            VerisimError: The request cannot be answered; the class says why.
        """
        began = time.perf_counter()
        asked, ask = parsed(RefineRequest, dict(request)), segment_ask(request)
        clicks = asked.said
        card = self.models.card(model)
        if card.kind != "segmentation":
            raise unknown_model(model, self.models.names)
        clicker = self._clicker(card, asked.by)
        start = self._start(card, ask, user) if label is None else _drawn(card, ask, label)
        network = start.rescued.segmentation.seconds.get("network", 0.0) if start.new else 0.0
        ready = time.perf_counter()
        found = refine(start.volume, start.rescued.segmentation, clicks, network=clicker)
        refined = time.perf_counter()
        path = write_answer(ask, card, found)
        seconds = {
            "reading": max(0.0, ready - began - network),
            "network": network,
            "postprocessing": refined - ready,
            "writing": time.perf_counter() - refined,
        }
        mirror = mirroring.by_default(self.models.parts(card))
        mirrored = mirror if ask.mirroring is None else ask.mirroring
        told = answer(card, replace(start.rescued, segmentation=found), seconds, mirrored)
        about = {"clicks": len(clicks), "kept": not start.new, "by": name_of(clicker)}
        return str(path), {**told, **about}

    def _clicker(self, card: ModelCard, method: Method) -> ClickNetwork | None:
        corrector = corrector_of(card, self.models.cards, method)
        return self.loaded.clicker(corrector) if corrector else None

    def _start(self, card: ModelCard, ask: SegmentAsk, user: str) -> Start:
        parts = self.models.parts(card)
        ask.wish.check(parts)
        asked = replace(ask, mirroring=mirroring.checked_wish(parts, ask.mirroring))
        versions = tuple((one.name, one.version, one.sha256, one.temperature) for one in parts)
        how = (versions, asked.series, asked.device, asked.mirroring, asked.wish)
        wanted = Wanted(user, content_of(asked.image), how)
        work = partial(self._answered, parts, asked)
        return self.starts.get(wanted, partial(self.at_once.run, asked.device, work))

    def _answered(self, parts: tuple[ModelCard, ...], ask: SegmentAsk) -> Start:
        volume = files.read(ask.image, ask.series, len(parts[0].channels))
        rescued = rescued_by(
            self.loaded,
            parts,
            volume,
            ask.device,
            ask.mirroring,
            maps=("probability",),
            wish=ask.wish,
        )
        return Start(volume, rescued, new=True)


def _drawn(card: ModelCard, ask: SegmentAsk, label: Path) -> Start:
    """A label map that a client sent."""
    label_map = files.read_label_map(label, card.labels)
    segmentation = as_segmentation(label_map)
    volume = files.read(ask.image, ask.series, len(card.channels))
    return Start(volume, Rescued(segmentation, Attempt("cpu"), 0, ()))
