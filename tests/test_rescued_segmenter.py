"""One volume after the other with too little memory: none pays for another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from verisim import files
from verisim.card import ModelCard, write_model
from verisim.cases import segment_cases
from verisim.ensembles import segmenter_of
from verisim.errors import NotFound, OutOfMemory
from verisim.networks.weights import weights_of
from verisim.questions import Wish, plan_questions
from verisim.rescued_segmenter import RescuedSegmenter
from verisim.segmentation import load_network
from verisim.volume import Volume

SMALLER = "8 × 8 × 8 instead of 16 × 16 × 16"
BRIGHT = 1000.0
"""In a volume this bright the memory is short."""


@pytest.fixture(autouse=True)
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding to bfloat16 would hide what is the same, and would ask the network more often."""
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: False)


class Moody(nn.Module):
    """A network that has no memory for patches of 16 voxels where the volume is bright."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> Tensor:
        if patches.shape[-1] > 8 and patches.amax() > 5:  # of a normalized volume
            raise torch.OutOfMemoryError("CUDA out of memory")
        logits: Tensor = self.network(patches)
        return logits


@dataclass
class Loader:
    """Loads moody networks, and remembers which.

    Args:
        refuses: How often there is no memory for it.
    """

    refuses: int = 0
    loaded: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, card: ModelCard, device: str) -> nn.Module:
        if self.refuses:
            self.refuses -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.loaded.append((card.name, device))
        return Moody(load_network(card, device))


def a_volume(seed: int, bright: bool = False) -> Volume:
    """Noise, with one voxel that makes memory short if it is bright."""
    array = np.random.default_rng(seed).normal(size=(30, 26, 22)).astype(np.float32)
    array[4, 4, 4] += BRIGHT * bright
    return Volume(array, np.eye(4))


def test_a_volume_that_needs_less_changes_nothing_for_the_next(a_trained_model: ModelCard) -> None:
    loader = Loader()
    segmenter = RescuedSegmenter(a_trained_model, networks=loader)
    usual = segmenter_of(a_trained_model)
    small = segmenter_of(replace(a_trained_model, patch_size=(8, 8, 8)))
    for seed, bright in ((0, False), (1, True), (2, False)):
        volume = a_volume(seed, bright)
        answer = segmenter(volume)
        expected = (small if bright else usual)(volume)
        same = answer.label_map.array == expected.label_map.array
        assert same.mean() > 0.999  # patches that go one at a time round differently
        assert any(SMALLER in warning for warning in answer.warnings) == bright
        assert ("failed_attempts" in answer.seconds) == bright
    assert loader.loaded == [("tiny", "cpu")]


def test_with_enough_memory_it_is_the_usual_answer(a_trained_model: ModelCard) -> None:
    volume = a_volume(0)
    answer, usual = (make(a_trained_model)(volume) for make in (RescuedSegmenter, segmenter_of))
    np.testing.assert_array_equal(answer.label_map.array, usual.label_map.array)
    assert (answer.warnings, answer.certainty) == (usual.warnings, usual.certainty)


def test_an_ensemble_loads_each_of_its_networks_once(
    a_trained_model: ModelCard, tmp_path: Path
) -> None:
    folder = a_trained_model.folder
    second = replace(a_trained_model, name="second", patch_size=(16, 16, 8))
    write_model(second, weights_of(second.build()), folder)
    both = replace(a_trained_model, name="both", ensemble=("tiny", "second"), sha256="")
    loader = Loader()
    segmenter = RescuedSegmenter(both, folders=(folder,), networks=loader)
    assert loader.loaded == [("tiny", "cpu"), ("second", "cpu")]
    answers = [segmenter(a_volume(seed, bright=True)) for seed in range(2)]
    assert all("8 × 8 × 8" in str(answer.warnings) for answer in answers)
    assert len(loader.loaded) == 2


def test_without_memory_for_the_network_it_is_loaded_when_there_is(
    a_trained_model: ModelCard,
) -> None:
    loader = Loader(refuses=2)
    segmenter = RescuedSegmenter(a_trained_model, networks=loader)
    with pytest.raises(OutOfMemory):
        segmenter(a_volume(0))
    assert not any("memory" in warning for warning in segmenter(a_volume(0)).warnings)
    assert loader.loaded == [("tiny", "cpu")]


def test_what_is_not_there_is_told_before_any_volume(a_trained_model: ModelCard) -> None:
    a_trained_model.weights_path.unlink()
    with pytest.raises(NotFound, match="weights"):
        RescuedSegmenter(a_trained_model)


def test_of_several_cases_only_the_one_with_too_little_memory_is_warned_of(
    a_trained_model: ModelCard, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, name in enumerate("abc"):
        files.write(folder / f"{name}.nii.gz", a_volume(seed, bright=name == "b"))
    questions = plan_questions([folder], Wish(tmp_path / "out"), 1)
    answers = segment_cases(RescuedSegmenter(a_trained_model, networks=Loader()), questions)
    assert [SMALLER in str(answer.warnings) for answer in answers] == [False, True, False]
    assert all(answer.error is None for answer in answers)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{n}.nii.gz" for n in "abc"}
