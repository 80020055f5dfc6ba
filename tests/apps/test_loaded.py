"""Models load once, are shared, and leave when memory is short; the answer says what was done."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from lib import loaded as rooms
from lib.loaded import LoadedModels
from lib.models import Models
from tests.apps.client import infer, taken_apart, voxels
from tests.apps.running import a_tiny_card, a_tiny_model, an_image, running, untrained
from tests.memory_limit import limit
from verisim import files
from verisim.card import ModelCard
from verisim.ensembles import EnsembleSegmenter
from verisim.memory import free_bytes, needed_bytes, release
from verisim.networks.averaged import Mirrored
from verisim.networks.unet import UNet
from verisim.rescue import Sparing
from verisim.segmentation import NetworkSegmenter, Segmenter, load_network

MB = 2**20


@pytest.fixture
def loadings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models whose weights are read, in order."""
    names: list[str] = []

    def load(card: ModelCard, device: str) -> torch.nn.Module:
        names.append(card.name)
        return load_network(card, device)

    monkeypatch.setattr(rooms, "load_network", load)
    return names


def different(folder: Path, count: int, network: UNet | None = None) -> list[ModelCard]:
    """So many models of different weights."""
    card = a_tiny_card()
    cards = [replace(card, name=f"m{k}", network=network or card.network) for k in range(count)]
    return [untrained(card, folder, seed) for seed, card in enumerate(cards)]


def network_of(segmenter: Segmenter) -> torch.nn.Module:
    """The network itself, without mirror images."""
    assert isinstance(segmenter, NetworkSegmenter)
    network = segmenter.network
    return network.network if isinstance(network, Mirrored) else network


def test_those_who_ask_at_once_share_one_loading(tmp_path: Path, loadings: list[str]) -> None:
    card = a_tiny_model(tmp_path)
    loaded = LoadedModels(4, Models(tmp_path))
    together = threading.Barrier(4)

    def ask(_: int) -> Segmenter:
        together.wait()
        return loaded.segmenter(card, "cpu")

    with ThreadPoolExecutor(4) as threads:
        networks = {network_of(segmenter) for segmenter in threads.map(ask, range(4))}
    assert (len(networks), loadings) == (1, ["tiny"])


def test_different_models_are_loaded_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = different(tmp_path, 2)
    loaded = LoadedModels(4, Models(tmp_path))
    both = threading.Barrier(2, timeout=30)  # broken, if one waited for the other

    def load(card: ModelCard, device: str) -> torch.nn.Module:
        both.wait()
        return load_network(card, device)

    monkeypatch.setattr(rooms, "load_network", load)
    with ThreadPoolExecutor(2) as threads:
        made = list(threads.map(lambda card: loaded.segmenter(card, "cpu"), cards))
    assert network_of(made[0]) is not network_of(made[1])


def test_a_network_is_shared_by_all_who_need_it(tmp_path: Path, loadings: list[str]) -> None:
    card = untrained(replace(a_tiny_card(), mirrored_axes=(0, 1)), tmp_path)
    both = untrained(replace(a_tiny_card("both"), ensemble=("tiny", "tiny")), tmp_path)
    loaded = LoadedModels(4, Models(tmp_path))
    plain, mirrored = (loaded.segmenter(card, "cpu", wish) for wish in (False, True))
    small = loaded.segmenter(card, "cpu", sparing=Sparing(alone=True, halvings=1))
    pair = loaded.segmenter(both, "cpu")
    assert isinstance(pair, EnsembleSegmenter)
    everyone = [plain, mirrored, small, *pair.members]
    assert len({network_of(segmenter) for segmenter in everyone}) == 1
    assert loadings == ["tiny"]
    assert small.card.patch_size == (8, 8, 8)


def test_the_least_recently_used_leaves_first(tmp_path: Path, loadings: list[str]) -> None:
    a, b, c = different(tmp_path, 3)
    loaded = LoadedModels(2, Models(tmp_path))
    for card in (a, b, a, c):  # b is unused for longest when c comes
        loaded.segmenter(card, "cpu")
    assert loadings == ["m0", "m1", "m2"]
    loaded.segmenter(a, "cpu")
    assert loadings == ["m0", "m1", "m2"]
    loaded.segmenter(b, "cpu")
    assert loadings == ["m0", "m1", "m2", "m1"]


def test_room_is_made_by_the_least_recently_used_of_that_device(tmp_path: Path) -> None:
    a, b, c = different(tmp_path, 3)
    loaded = LoadedModels(4, Models(tmp_path))
    for card in (a, b, c, a):
        loaded.segmenter(card, "cpu")
    assert loaded.make_room("cuda:0", but="m0") is None
    left = [loaded.make_room("cpu", but="m0") for _ in range(3)]
    assert left == ["m1 v1", "m2 v1", None]


def test_before_loading_others_leave_until_the_new_one_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loadings: list[str]
) -> None:
    cards = different(tmp_path, 4)
    loaded = LoadedModels(9, Models(tmp_path))
    kept = [weakref.ref(network_of(loaded.segmenter(card, "cpu"))) for card in cards[:3]]
    need = needed_bytes(cards[3], "cpu")
    assert need == 2 * cards[3].weights_path.stat().st_size

    def free(device: str) -> int:
        return (need // 2) * sum(reference() is None for reference in kept)

    monkeypatch.setattr(rooms, "free_bytes", free)
    loaded.segmenter(cards[3], "cpu")
    assert [reference() is None for reference in kept] == [True, True, False]


def test_a_model_in_use_is_forgotten_but_not_freed(tmp_path: Path, loadings: list[str]) -> None:
    a, b = different(tmp_path, 2)
    loaded = LoadedModels(1, Models(tmp_path))
    used = loaded.segmenter(a, "cpu")
    before = used(an_image(1)).label_map.array
    loaded.segmenter(b, "cpu")
    np.testing.assert_array_equal(used(an_image(1)).label_map.array, before)
    assert network_of(loaded.segmenter(a, "cpu")) is network_of(used)
    assert loadings == ["m0", "m1"]
    network = weakref.ref(network_of(used))
    loaded.segmenter(b, "cpu")
    del used
    gc.collect()
    assert network() is None


def test_a_loading_that_failed_is_tried_again_by_the_next(tmp_path: Path) -> None:
    card = a_tiny_model(tmp_path)
    loaded = LoadedModels(4, Models(tmp_path))
    hidden = card.weights_path.rename(tmp_path / "hidden")
    with pytest.raises(Exception, match="missing"):
        loaded.segmenter(card, "cpu")
    hidden.rename(card.weights_path)
    assert loaded.segmenter(card, "cpu").card == card


def test_resident_memory_stays_flat_whatever_number_of_models_came_and_went(
    tmp_path: Path,
) -> None:
    network = UNet((24, 48, 96), ((1, 1, 1),) + ((2, 2, 2),) * 2, ((3, 3, 3),) * 3)
    cards = different(tmp_path, 8, network)
    loaded = LoadedModels(1, Models(tmp_path))
    resident = used(loaded, cards[:2])
    weights = cards[0].weights_path.stat().st_size
    assert used(loaded, cards) - resident < 2 * weights
    while loaded.make_room("cpu", but=""):
        pass
    assert used(loaded, []) < resident


def used(loaded: LoadedModels, cards: Sequence[ModelCard]) -> int:
    """Resident bytes of this process after each model has answered."""
    for card in cards:
        loaded.segmenter(card, "cpu")(an_image(1))
    release("cpu")
    return int(psutil.Process().memory_info().rss)


def test_what_the_operating_system_allows_is_all_that_is_free() -> None:
    before = psutil.Process().rlimit(psutil.RLIMIT_AS)
    try:
        limit(psutil.Process().pid, 300)
        assert 200 * MB < free_bytes("cpu") <= 300 * MB
    finally:
        psutil.Process().rlimit(psutil.RLIMIT_AS, before)
    assert free_bytes("cpu") > 300 * MB


@pytest.mark.slow
def test_a_server_short_of_memory_answers_with_smaller_patches_and_says_so(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as server:
        network = UNet((32, 32), ((1, 1, 1), (2, 2, 2)), ((3, 3, 3), (3, 3, 3)), 1)
        large = replace(a_tiny_card("large"), network=network, patch_size=(160, 160, 160))
        card = untrained(large, server.models)
        usual = taken_apart(infer(server, {"image": "case_1"}, {"device": "cpu"}))
        assert usual.params["memory"] == {"attempts": 1, "patch_sizes": [[16, 16, 16]]}
        limit(server.process.pid, 700)
        reply = taken_apart(infer(server, {"image": "case_1"}, {"device": "cpu"}, model="large"))
        assert "patches of 80 × 80 × 80 instead of 160 × 160 × 160" in str(
            reply.params["warnings"]
        )
        assert reply.params["memory"]["patch_sizes"] == [[80, 80, 80]]
        assert reply.params["seconds"]["failed_attempts"] > 0
        small = NetworkSegmenter(replace(card, patch_size=(80, 80, 80)))
        image = files.read(server.studies / "case_1.nii.gz")
        np.testing.assert_array_equal(voxels(reply), small(image).label_map.array)
        after = taken_apart(infer(server, {"image": "case_1"}, {"device": "cpu"}))
        np.testing.assert_array_equal(voxels(after), voxels(usual))
        assert after.params["memory"]["attempts"] == 1
