"""When memory runs out: try again with less at once, and say so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

from verisim.card import ModelCard
from verisim.errors import OutOfMemory
from verisim.memory import in_sound_thread, release, within_memory
from verisim.patches import patches_at_once
from verisim.progress import SILENT, Progress
from verisim.segmentation import Segmentation, Segmenter
from verisim.volume import Volume, millimetres

FEWEST_VOXELS = 2
"""Voxels that the coarsest stage keeps along each axis that it halves."""

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Sparing:
    """How memory is spared.

    Args:
        alone: Small patches go through the network one at a time.
        halvings: How often the longest sides of the patches are halved.
    """

    alone: bool = False
    halvings: int = 0

    def card(self, card: ModelCard) -> ModelCard:
        """A card with the patches that are used."""
        for _ in range(self.halvings):
            card = replace(card, patch_size=smaller(card))
        return card


AS_ASKED = Sparing()
"""Nothing is spared."""


@dataclass(frozen=True)
class Attempt:
    """One way to compute.

    Args:
        device: Where.
        sparing: How memory is spared.
    """

    device: str
    sparing: Sparing = AS_ASKED


@dataclass(frozen=True)
class Rescued:
    """An answer, and what it took.

    Args:
        segmentation: Its warnings say what was done for lack of memory; its seconds hold those
            of `loading` and, after a failure, of `failed_attempts` and `waiting`.
        attempt: The way that succeeded.
        attempts: How many were made.
        patch_sizes: Those of each network that answered.
    """

    segmentation: Segmentation
    attempt: Attempt
    attempts: int
    patch_sizes: tuple[Triple, ...]


Make = Callable[[Attempt], Segmenter]
"""Makes the segmenter of an attempt."""

MakeRoom = Callable[[str], str | None]
"""Lets go of something else on a device; its name, or None when nothing is left."""


OnProcessor = Callable[[Callable[[], Rescued | None], Callable[[], None]], Rescued | None]
"""Does work on the processor when that has time; until then the other may raise to give up."""


def nothing_leaves(device: str) -> None:
    """Nothing else is in memory that could leave."""


def at_once(work: Callable[[], Rescued | None], waiting: Callable[[], None]) -> Rescued | None:
    """Nobody else wants the processor."""
    return work()


def segment_within(
    make: Make,
    cards: Sequence[ModelCard],
    volume: Volume,
    device: str = "cpu",
    progress: Progress = SILENT,
    make_room: MakeRoom = nothing_leaves,
    on_processor: OnProcessor = at_once,
) -> Rescued:
    """Segment one volume, with less memory where there is not enough.

    In this order: as asked, after others have left the device, patches one at a time, smaller
    patches, and all of it again on the processor where it was a graphics card.

    Args:
        make: Makes the segmenter of an attempt.
        cards: Of each network that answers.
        volume: With as many channels as the cards list.
        device: Where it is asked for.
        progress: Hears of every patch, and never of less than before; may cancel between two.
        make_room: Lets others leave the device, one at each call.
        on_processor: Does what is left to the processor.

    Raises:
        OutOfMemory: Nothing of this helped.
        Cancelled: The caller asked to stop.
    """
    rescue = _Rescue(make, cards, volume, device, _Onward(progress), make_room)
    rescued = rescue.on(device)
    if rescued is None and device != "cpu":
        rescued = on_processor(rescue.left_to_processor(), rescue.waiting)
    if rescued is None:
        raise rescue.given_up()
    return rescued


def smaller(card: ModelCard) -> Triple:
    """The patch of a card with its longest sides halved, as far as its network can do with.

    Sides of more than half the longest count as long; a side stays a multiple of what the
    network divides it by.
    """
    longest = max(card.patch_size)
    pairs = zip(card.patch_size, card.network.divisor, strict=True)
    x, y, z = (_halved(side, unit) if 2 * side > longest else side for side, unit in pairs)
    return x, y, z


def ways_to_spare(cards: Sequence[ModelCard]) -> Iterator[Sparing]:
    """As asked, then one patch at a time, then smaller and smaller patches."""
    spared = AS_ASKED
    yield spared
    if any(patches_at_once(card.patch_size) > 1 for card in cards):
        yield (spared := Sparing(alone=True))
    while _patches(spared, cards) != _patches(
        spared := Sparing(alone=True, halvings=spared.halvings + 1), cards
    ):
        yield spared


class _Rescue:
    """The attempts at one answer; see `segment_within`."""

    def __init__(
        self,
        make: Make,
        cards: Sequence[ModelCard],
        volume: Volume,
        asked: str,
        progress: _Onward,
        make_room: MakeRoom,
    ) -> None:
        self._make = make
        self._cards = cards
        self._volume = volume
        self._asked = asked
        self._progress = progress
        self._make_room = make_room
        self._start = time.perf_counter()
        self._waited = 0.0
        self._attempts = 0
        self._left: dict[str, list[str]] = {}
        self._fits = True

    def on(self, device: str) -> Rescued | None:
        """The answer of a device, or None where its memory does not suffice."""
        for sparing in ways_to_spare(self._cards):
            attempt = Attempt(device, sparing)
            rescued = self._tried(attempt)
            while rescued is None and (name := self._make_room(device)):
                self._left.setdefault(device, []).append(name)
                rescued = self._tried(attempt)
            if rescued or not self._fits:  # without room for the network, patches do not matter
                return rescued
        return None

    def left_to_processor(self) -> Callable[[], Rescued | None]:
        """What remains to be done; the time until it begins is told apart."""
        asked = time.perf_counter()

        def work() -> Rescued | None:
            self._waited = time.perf_counter() - asked
            return self.on("cpu")

        return work

    def waiting(self) -> None:
        """The processor does something else; whoever watches may ask to stop."""
        self._progress.say("waiting for the processor")

    def given_up(self) -> OutOfMemory:
        """The error that says that nothing helped."""
        volume, tried = self._volume, self._asked
        tried += ", nor into that of the processor" if tried != "cpu" else ""
        return OutOfMemory(
            f"A volume of {volume.spatial_shape} voxels and {millimetres(volume.extent_mm)} mm "
            f"does not fit into the memory of {tried}, however small the patches.",
            "Crop it to the anatomy of interest, or use a machine with more memory.",
        )

    def _tried(self, attempt: Attempt) -> Rescued | None:
        self._attempts += 1
        begun = time.perf_counter()
        try:
            with within_memory(self._volume, attempt.device):
                return in_sound_thread(partial(self._answered, attempt, begun))
        except OutOfMemory:
            pass  # out of this block, the error and what it holds are gone
        release(attempt.device)
        self._progress.say("memory was short, trying again")
        return None

    def _answered(self, attempt: Attempt, begun: float) -> Rescued:
        segmenter = self._made(attempt)
        seconds = {"loading": round(time.perf_counter() - begun, 4)}
        if self._attempts > 1:
            seconds["failed_attempts"] = round(begun - self._start - self._waited, 4)
        if attempt.device != self._asked:
            seconds["waiting"] = round(self._waited, 4)
        answer = segmenter(self._volume, self._progress)
        answer = replace(
            answer,
            seconds={**seconds, **answer.seconds},
            warnings=(*self._said(attempt), *answer.warnings),
        )
        sizes = _patches(attempt.sparing, self._cards)
        return Rescued(answer, attempt, self._attempts, sizes)

    def _made(self, attempt: Attempt) -> Segmenter:
        self._fits = False
        with within_memory(self._volume, attempt.device):
            segmenter = self._make(attempt)
        self._fits = True
        return segmenter

    def _said(self, attempt: Attempt) -> Iterator[str]:
        for device, names in self._left.items():
            yield (
                f"The memory of {device} was short: {', '.join(names)} left it, and will be "
                "loaded again when asked for."
            )
        if attempt.device != self._asked:
            yield f"The memory of {self._asked} was short: the processor computed instead."
        before, after = (_patches(s, self._cards) for s in (AS_ASKED, attempt.sparing))
        if before != after:
            yield (
                f"The memory of {attempt.device} was short: patches of {_written(after)} instead "
                f"of {_written(before)} voxels were used; the network saw less of what surrounds "
                "a place."
            )
        elif attempt.sparing.alone:
            yield f"The memory of {attempt.device} was short: patches went one at a time."


class _Onward:
    """Progress that never goes back, though the work begins anew."""

    def __init__(self, whole: Progress) -> None:
        self._whole = whole
        self._done, self._total = 0, 1

    def advance(self, done: int, total: int, message: str = "") -> None:
        if done * self._total >= self._done * total:
            self._done, self._total = done, total
        self._whole.advance(self._done, self._total, message)

    def say(self, message: str) -> None:
        """No step was done; whoever watches may ask to stop."""
        self._whole.advance(self._done, self._total, message)


def _halved(side: int, unit: int) -> int:
    return min(side, max(ceil(side / 2 / unit), FEWEST_VOXELS if unit > 1 else 1) * unit)


def _patches(sparing: Sparing, cards: Sequence[ModelCard]) -> tuple[Triple, ...]:
    return tuple(sparing.card(card).patch_size for card in cards)


def _written(sizes: Sequence[Triple]) -> str:
    """Each size once, e.g. "40 × 56 × 40"."""
    return ", ".join(dict.fromkeys(" × ".join(map(str, size)) for size in sizes))
