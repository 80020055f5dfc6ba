"""When memory runs out, less is computed at once, and the answer says so."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from verisim.card import ModelCard, write_model
from verisim.ensembles import segmenter_of
from verisim.errors import Cancelled, TooLarge
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.rescue import Attempt, Rescued, Sparing, segment_within, smaller, ways_to_spare
from verisim.segmentation import NetworkSegmenter, Segmenter, load_network
from verisim.volume import Volume

VOLUME = Volume(
    np.random.default_rng(0).normal(size=(30, 26, 22)).astype(np.float32),
    np.diag([-1.0, 1, 1.2, 1]),
)


@pytest.fixture(autouse=True)
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding to bfloat16 would hide what is the same."""
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: False)


class Short(nn.Module):
    """A network on a device whose memory holds only so many voxels."""

    def __init__(self, network: nn.Module, voxels: int) -> None:
        super().__init__()
        self.network = network
        self.voxels = voxels

    def forward(self, patches: Tensor) -> Tensor:
        if patches.numel() > self.voxels:
            raise torch.OutOfMemoryError(f"CUDA out of memory for {patches.numel()} numbers")
        logits: Tensor = self.network(patches)
        return logits


@dataclass
class Maker:
    """Makes segmenters on devices of little memory, and remembers the attempts.

    Args:
        card: The model.
        voxels: That each device holds at once; None for a device without room for a network.
    """

    card: ModelCard
    voxels: dict[str, int | None]
    attempts: list[Attempt] = field(default_factory=list)

    def __call__(self, attempt: Attempt) -> Segmenter:
        self.attempts.append(attempt)
        voxels = self.voxels[attempt.device]

        def network(one: ModelCard, device: str) -> nn.Module:
            if voxels is None:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return Short(load_network(one, device), voxels)

        return segmenter_of(self.card, "cpu", sparing=attempt.sparing, networks=network)


class Heard:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int, str]] = []

    def advance(self, done: int, total: int, message: str = "") -> None:
        self.told.append((done, total, message))

    @property
    def shares(self) -> list[float]:
        return [done / total for done, total, _ in self.told]


def rescued(maker: Maker, device: str = "cpu", **more: object) -> Rescued:
    return segment_within(maker, [maker.card], VOLUME, device, **more)  # type: ignore[arg-type]  # whatever a test gives


def test_with_enough_memory_the_answer_is_the_usual_one(a_trained_model: ModelCard) -> None:
    answer = rescued(Maker(a_trained_model, {"cpu": 2**20}))
    usual = NetworkSegmenter(a_trained_model)(VOLUME)
    np.testing.assert_array_equal(answer.segmentation.label_map.array, usual.label_map.array)
    assert answer.segmentation.warnings == usual.warnings
    assert (answer.attempts, answer.patch_sizes) == (1, ((16, 16, 16),))
    assert "failed_attempts" not in answer.segmentation.seconds


def test_patches_that_do_not_fit_together_go_one_at_a_time(a_trained_model: ModelCard) -> None:
    answer = rescued(Maker(a_trained_model, {"cpu": 16**3}))
    usual = NetworkSegmenter(a_trained_model)(VOLUME)
    same = answer.segmentation.label_map.array == usual.label_map.array
    assert same.mean() > 0.999  # rounding may turn a tie
    assert answer.attempt == Attempt("cpu", Sparing(alone=True))
    assert "The memory of cpu was short: patches went one at a time." in (
        answer.segmentation.warnings
    )


def test_smaller_patches_answer_as_a_card_with_that_patch_size(a_trained_model: ModelCard) -> None:
    answer = rescued(Maker(a_trained_model, {"cpu": 8**3}))
    small = NetworkSegmenter(replace(a_trained_model, patch_size=(8, 8, 8)), alone=True)(VOLUME)
    usual = NetworkSegmenter(a_trained_model)(VOLUME)
    np.testing.assert_array_equal(answer.segmentation.label_map.array, small.label_map.array)
    assert answer.segmentation.certainty == small.certainty
    assert not np.array_equal(small.label_map.array, usual.label_map.array)
    assert (answer.attempts, answer.patch_sizes) == (3, ((8, 8, 8),))
    assert answer.segmentation.warnings[0].startswith(
        "The memory of cpu was short: patches of 8 × 8 × 8 instead of 16 × 16 × 16 voxels"
    )
    assert answer.segmentation.seconds["failed_attempts"] > 0


def test_others_leave_before_anything_is_made_smaller(a_trained_model: ModelCard) -> None:
    maker = Maker(a_trained_model, {"cpu": 1})
    others = ["old v1", "older v2"]

    def leave(device: str) -> str | None:
        if not others:
            return None
        maker.voxels[device] = maker.voxels[device] if len(others) > 1 else 2**20
        return others.pop()

    answer = rescued(maker, make_room=leave)
    assert {attempt.sparing for attempt in maker.attempts} == {Sparing()}
    assert answer.attempts == 3
    assert answer.segmentation.warnings[0] == (
        "The memory of cpu was short: older v2, old v1 left it, and will be loaded again when "
        "asked for."
    )


def test_the_processor_computes_what_a_graphics_card_has_no_memory_for(
    a_trained_model: ModelCard,
) -> None:
    maker = Maker(a_trained_model, {"cuda:0": 1, "cpu": 2**20})
    answer = rescued(maker, "cuda:0")
    usual = NetworkSegmenter(a_trained_model)(VOLUME)
    np.testing.assert_array_equal(answer.segmentation.label_map.array, usual.label_map.array)
    assert answer.attempt == Attempt("cpu")
    assert [a.device for a in maker.attempts] == ["cuda:0"] * 4 + ["cpu"]
    assert answer.segmentation.warnings[0] == (
        "The memory of cuda:0 was short: the processor computed instead."
    )


def test_without_room_for_the_network_no_patches_are_tried(a_trained_model: ModelCard) -> None:
    maker = Maker(a_trained_model, {"cuda:0": None, "cpu": 2**20})
    assert rescued(maker, "cuda:0").attempt.device == "cpu"
    assert [a.device for a in maker.attempts] == ["cuda:0", "cpu"]


def test_when_nothing_helps_the_volume_is_too_large(a_trained_model: ModelCard) -> None:
    maker = Maker(a_trained_model, {"cuda:0": 1, "cpu": 1})
    with pytest.raises(TooLarge, match=r"memory of cuda:0, nor .* the processor.*Crop it"):
        rescued(maker, "cuda:0")
    assert len(maker.attempts) == len(set(maker.attempts)) == 8


def test_a_failed_attempt_holds_nothing_during_the_next(a_trained_model: ModelCard) -> None:
    network, alive = load_network(a_trained_model, "cpu"), []

    class Greedy(nn.Module):
        def forward(self, patches: Tensor) -> Tensor:
            gc.disable()  # nothing may be freed only by chance
            held = [reference() for reference in alive]
            assert all(one is None for one in held), "an earlier attempt's patches are there"
            if len(alive) == 2:
                answer: Tensor = network(patches)
                return answer
            large = patches.clone()
            alive.append(weakref.ref(large))
            raise torch.OutOfMemoryError("CUDA out of memory")

    def make(attempt: Attempt) -> Segmenter:
        return segmenter_of(a_trained_model, sparing=attempt.sparing, networks=lambda *_: Greedy())

    try:
        answer = segment_within(make, [a_trained_model], VOLUME)
    finally:
        gc.enable()
    assert (answer.attempts, len(alive)) == (3, 2)


def test_progress_never_goes_back_and_ends_at_the_total(a_trained_model: ModelCard) -> None:
    heard, counted = Heard(), 0
    maker = Maker(a_trained_model, {"cpu": 2**20})

    def late(attempt: Attempt) -> Segmenter:
        segmenter = maker(attempt)
        assert isinstance(segmenter, NetworkSegmenter)

        def network(patches: Tensor) -> Tensor:
            nonlocal counted
            counted += 1
            if counted == 2:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")
            answer: Tensor = segmenter.network(patches)
            return answer

        return replace(segmenter, networks=lambda *_: network)

    answer = segment_within(late, [a_trained_model], VOLUME, progress=heard)
    assert answer.attempts == 2
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] == 1
    again = [m for _, _, m in heard.told].index("memory was short, trying again")
    assert 0 < heard.shares[again] < 1


def test_whoever_cancels_is_obeyed_at_once(a_trained_model: ModelCard) -> None:
    class Impatient(Heard):
        def advance(self, done: int, total: int, message: str = "") -> None:
            super().advance(done, total, message)
            if "again" in message:
                raise Cancelled("Stopped.")

    maker = Maker(a_trained_model, {"cpu": 1})
    with pytest.raises(Cancelled):
        rescued(maker, progress=Impatient())
    assert len(maker.attempts) == 1


def test_a_failure_of_another_kind_is_not_tried_again(a_trained_model: ModelCard) -> None:
    maker = Maker(replace(a_trained_model, sha256="0"), {"cpu": 1})
    with pytest.raises(Exception, match="not the file that the card"):
        rescued(maker)
    assert len(maker.attempts) == 1


@pytest.mark.parametrize("kind", ["ensemble", "cascade"])
def test_all_networks_of_an_answer_get_smaller_patches(
    a_trained_model: ModelCard, a_card: ModelCard, kind: str
) -> None:
    folder = a_trained_model.folder
    if kind == "ensemble":
        card = replace(a_trained_model, name="both", ensemble=("tiny", "tiny"), sha256="")
        parts = [a_trained_model]
    else:
        second = replace(a_card, name="second", previous="tiny")
        card = write_model(second, weights_of(second.build()), folder)
        parts = [card, a_trained_model]
    heard = Heard()
    maker = Maker(card, {"cpu": 3 * 8**3})
    answer = segment_within(maker, parts, VOLUME, progress=heard)
    assert answer.patch_sizes == ((8, 8, 8),) * len(parts)
    assert heard.shares == sorted(heard.shares)
    assert len(set(heard.shares)) > 4
    assert answer.segmentation.label_map.shares_grid(VOLUME)


@pytest.mark.parametrize(
    ("patch", "strides", "halved"),
    [
        ((80, 112, 80), (1, 2, 2, 2), (40, 56, 40)),
        ((40, 56, 40), (1, 2, 2, 2), (24, 32, 24)),
        ((16, 64, 64), (1, 2, 2), (16, 32, 32)),
        ((16, 16, 16), (1, 2, 2, 2), (16, 16, 16)),
    ],
)
def test_the_longest_sides_are_halved(
    a_card: ModelCard,
    patch: tuple[int, int, int],
    strides: tuple[int, ...],
    halved: tuple[int, int, int],
) -> None:
    stages = len(strides)
    steps = tuple((step,) * 3 for step in strides)
    network = UNet((4,) * stages, steps, ((3, 3, 3),) * stages)
    assert smaller(replace(a_card, patch_size=patch, network=network)) == halved


@pytest.mark.parametrize("patch", [(16, 16, 16), (1, 256, 192), (128, 128, 64)])
def test_patches_only_become_smaller_until_the_network_needs_what_is_left(
    a_card: ModelCard, patch: tuple[int, int, int]
) -> None:
    step = (1 if patch[0] == 1 else 2, 2, 2)
    network = UNet((4, 8, 8), ((1, 1, 1), step, step), ((3, 3, 3),) * 3, 1)
    card = replace(a_card, patch_size=patch, network=network)
    sizes = [way.card(card).patch_size for way in ways_to_spare([card]) if way.halvings]
    voxels = [int(np.prod(size)) for size in [patch, *sizes]]
    assert voxels == sorted(set(voxels), reverse=True)
    with torch.inference_mode():  # the smallest still goes through
        built = card.build().eval()
        assert built(torch.zeros(1, 1, *sizes[-1])).shape[2:] == sizes[-1]
