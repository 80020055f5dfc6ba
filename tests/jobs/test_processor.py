"""What a graphics card leaves to the processor takes its turn there, and nobody waits forever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.apps.running import a_tiny_card, an_image, untrained
from tests.jobs.desks import Held, a_desk, ask, ended
from verisim.card import ModelCard
from verisim.ensembles import segmenter_of
from verisim.errors import Cancelled, Unavailable
from verisim.jobs import processor
from verisim.jobs.job import State
from verisim.jobs.processor import on_processor
from verisim.jobs.segmenting import rescued_by
from verisim.jobs.turns import Ticket, Turns
from verisim.maps import MapKind
from verisim.rescue import AS_ASKED, Rescued, Sparing
from verisim.sampling_wish import AS_ITS_CARD_SAYS, SamplingWish
from verisim.segmentation import Segmenter

SECONDS = 20.0


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wishes to stop are heard at once."""
    monkeypatch.setattr(processor, "TICK_SECONDS", 0.01)


@pytest.fixture
def turns() -> Iterator[Turns]:
    """One thread for each device, named after it."""
    made = Turns(lambda device: ThreadPoolExecutor(1, thread_name_prefix=device))
    yield made
    made.close(wait=True)


@contextmanager
def busy(turns: Turns, device: str = "cpu") -> Iterator[None]:
    """The device is at work while the block runs."""
    begun, go = threading.Event(), threading.Event()
    ended = turns.enter(Ticket("somebody", device, lambda: begun.set() or go.wait(SECONDS)))
    assert begun.wait(SECONDS)
    try:
        yield
    finally:
        go.set()
        ended.result(SECONDS)


def where() -> str:
    """The device of the present thread."""
    return threading.current_thread().name.rsplit("_", 1)[0]


def from_card(
    turns: Turns,
    work: Callable[[], Any] = where,
    waiting: Callable[[], None] = lambda: None,
    device: str = "cuda:0",
    patience: float | None = None,
) -> Future[Any]:
    """Some work of a graphics card that leaves it to the processor."""
    ticket = Ticket("anna", device, lambda: on_processor(work, waiting), patience=patience)
    return turns.enter(ticket)


def test_it_is_done_in_the_turn_of_the_processor(turns: Turns) -> None:
    heard = threading.Event()
    with busy(turns):
        answer = from_card(turns, waiting=heard.set)
        assert heard.wait(SECONDS)
        assert turns.lengths()["cpu"] == 1
        assert not answer.done()
    assert answer.result(SECONDS) == "cpu"


def test_whoever_has_the_processor_or_no_turn_at_all_goes_on(turns: Turns) -> None:
    assert from_card(turns, device="cpu").result(SECONDS) == "cpu"
    assert on_processor(threading.current_thread, lambda: None) is threading.current_thread()


def test_a_card_that_works_again_leaves_work_to_the_processor_again(turns: Turns) -> None:
    def twice() -> tuple[str, str, str]:
        first = on_processor(where, lambda: None)
        return first, where(), on_processor(where, lambda: None)

    answer = turns.enter(Ticket("anna", "cuda:0", twice))
    assert answer.result(SECONDS) == ("cpu", "cuda:0", "cpu")


def test_many_devices_never_wait_for_each_other_and_the_processor_does_one_thing(
    turns: Turns,
) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        where()
        with lock:
            running -= 1
        return where()

    devices = ("cuda:0", "cpu", "cuda:1")
    answers = [from_card(turns, work, device=devices[n % 3]) for n in range(150)]
    assert {answer.result(SECONDS) for answer in answers} == {"cpu"}
    assert most == 1


def test_whoever_stops_while_waiting_leaves_the_queue(turns: Turns) -> None:
    def stop() -> None:
        raise Cancelled("It was stopped.", "Ask again.")

    with busy(turns):
        with pytest.raises(Cancelled):
            from_card(turns, waiting=stop).result(SECONDS)
        assert turns.lengths()["cpu"] == 0


def test_a_request_waits_no_longer_than_its_patience(turns: Turns) -> None:
    with busy(turns):
        with pytest.raises(Unavailable, match=r"cpu was busy .* 0.05 s"):
            from_card(turns, patience=0.05).result(SECONDS)
        assert turns.lengths()["cpu"] == 0
    assert from_card(turns, patience=SECONDS).result(SECONDS) == "cpu"


def test_its_errors_reach_the_card(turns: Turns) -> None:
    def bad() -> None:
        raise Unavailable("The disk is silent.", "Wake it.")

    with pytest.raises(Unavailable, match="silent"):
        from_card(turns, bad).result(SECONDS)
    assert from_card(turns).result(SECONDS) == "cpu"


def test_a_server_that_stops_lets_the_work_end_where_it_waits(turns: Turns) -> None:
    heard = threading.Event()
    with busy(turns):
        answer = from_card(turns, waiting=heard.set)
        assert heard.wait(SECONDS)
        turns.close(wait=False)
        assert answer.result(SECONDS) == "cuda:0"


def test_a_training_on_the_processor_lets_it_go_first(tmp_path: Path) -> None:
    long = Held("long", brief=False)
    with a_desk(tmp_path, long) as desk:
        training = desk.submit(ask(kind="long"))
        assert long.begun.acquire(timeout=SECONDS)
        left = desk.at_once("bert", "cuda:0", lambda: on_processor(lambda: 7, lambda: None), 20)
        assert left == 7
        assert desk.look(training.id).job.state == State.RUNNING
        long.go.set()
        assert ended(desk, training).state == State.DONE


@dataclass
class Networks:
    """Networks for a card without memory; on the processor they are as ever.

    Args:
        asked: The device of every attempt, and the thread in which it was made.
    """

    asked: list[tuple[str, str]] = field(default_factory=list)

    def segmenter(
        self,
        card: ModelCard,
        device: str,
        mirroring: bool | None = None,
        sparing: Sparing = AS_ASKED,
        maps: tuple[MapKind, ...] = (),
        wish: SamplingWish = AS_ITS_CARD_SAYS,
    ) -> Segmenter:
        """The model on a device."""
        self.asked.append((device, where()))
        if device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return segmenter_of(card, device, mirroring, sparing=sparing, maps=maps, wish=wish)

    def make_room(self, device: str, but: str) -> str | None:
        """Nothing else is there."""
        return None


@dataclass
class Heard:
    """Progress that remembers what is said, and tells when somebody waits."""

    said: list[str] = field(default_factory=list)
    waits: threading.Event = field(default_factory=threading.Event)

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear of a step."""
        self.said.append(message)
        if "waiting" in message:
            self.waits.set()


def test_a_volume_that_does_not_fit_on_a_card_waits_for_the_processor(
    turns: Turns, tmp_path: Path
) -> None:
    card = untrained(replace(a_tiny_card(), keep_largest=()), tmp_path)
    networks, heard, volume = Networks(), Heard(), an_image(1)

    def work() -> Rescued:
        return rescued_by(networks, [card], volume, "cuda:0", progress=heard)

    with busy(turns):
        answer = turns.enter(Ticket("anna", "cuda:0", work))
        assert heard.waits.wait(SECONDS)
        assert networks.asked == [("cuda:0", "cuda:0")]
    rescued: Rescued = answer.result(60)
    assert networks.asked == [("cuda:0", "cuda:0"), ("cpu", "cpu")]
    assert rescued.attempt.device == "cpu"
    usual = segmenter_of(card)(volume)
    assert (rescued.segmentation.label_map.array == usual.label_map.array).all()
    seconds = rescued.segmentation.seconds
    assert seconds["waiting"] > 0
    assert seconds["failed_attempts"] >= 0
    assert "waiting for the processor" not in heard.said[heard.said.index("patches") :]
