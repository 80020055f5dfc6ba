"""Whether memory ran out is understood; a process that has too little of it still answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.memory_limit import answered_within
from verisim.card import ModelCard, write_model
from verisim.errors import OutOfMemory
from verisim.memory import in_sound_thread, ran_out
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of


def test_every_way_of_saying_that_memory_ran_out_is_understood() -> None:
    said = (
        "CUDA error: out of memory",
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes",
        "std::bad_alloc",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "could not create a memory object",
        "could not create a primitive",
    )
    assert all(ran_out(RuntimeError(text)) for text in said)
    assert ran_out(MemoryError())
    assert ran_out(OSError(12, "Cannot allocate memory"))
    assert not ran_out(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not ran_out(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not ran_out(OSError(2, "No such file"))


def test_a_thread_that_onednn_cannot_use_any_more_is_replaced() -> None:
    def exhausted() -> threading.Thread:
        try:
            raise RuntimeError("could not create a primitive")
        except RuntimeError as error:
            raise OutOfMemory("", "") from error

    def threads() -> list[threading.Thread]:
        here, told = threading.current_thread, []
        for work in (here, exhausted, here, exhausted, here, here):
            with suppress(OutOfMemory):
                told.append(in_sound_thread(work))
        return told

    with ThreadPoolExecutor(1) as one_thread:
        first, second, third, again = one_thread.submit(threads).result()
    assert len({first, second, third}) == 3
    assert again is third


def large_card(folder: Path, a_card: ModelCard) -> ModelCard:
    """A model whose patch of 128 voxels a side needs hundreds of MB, and 64 an eighth of it."""
    network = UNet((16, 16), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)), 1)
    card = replace(a_card, name="large", network=network, patch_size=(128, 128, 128))
    return write_model(card, weights_of(card.build()), folder)


@pytest.fixture
def limited(a_card: ModelCard, tmp_path: Path) -> Callable[[int], dict[str, object]]:
    """The answer of a process of its own that may take so many MB more than it has."""
    card = large_card(tmp_path, a_card)
    return lambda megabytes: answered_within(megabytes, card.card_path)


def test_a_process_whose_memory_is_limited_answers_with_smaller_patches(
    limited: Callable[[int], dict[str, object]],
) -> None:
    answer = limited(400)
    assert answer["patch_sizes"] == [[64, 64, 64]]
    assert answer["as_a_card_with_that_patch"]
    assert answer["attempts"] == 2
    assert "64 × 64 × 64 instead of 128 × 128 × 128" in str(answer["warnings"])


def test_without_any_memory_left_a_volume_is_too_large_and_afterwards_it_is_answered(
    limited: Callable[[int], dict[str, object]],
) -> None:
    answer = limited(0)
    assert (answer["code"], answer["attempts_afterwards"]) == (OutOfMemory.code, 1)
    assert str(answer["remedy"]).startswith("Crop it")
