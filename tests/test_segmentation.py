"""The answer lies on the question's voxels, whichever way those lie."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from tests.conftest import affine_of
from verisim.card import ModelCard
from verisim.errors import Cancelled, NotFound, TooLarge, UnsupportedVolume, WrongChannels
from verisim.segmentation import NetworkSegmenter, Segmenter
from verisim.volume import LabelMap, Volume

LABELS = {"anterior": 1, "posterior": 2}


def bright_and_dark(patch: Tensor) -> Tensor:
    """Logits of a network that calls bright voxels anterior and dark ones posterior."""
    return torch.cat([torch.zeros_like(patch), 8 * (patch - 1.2), 8 * (-patch - 1.2)], dim=1)


NOISE = np.random.default_rng(1).normal(size=(20, 20, 20)).astype(np.float32)


@pytest.fixture
def segmenter(a_trained_model: ModelCard) -> NetworkSegmenter:
    """The tiny model with weights of a fixed seed."""
    return NetworkSegmenter(a_trained_model)


@pytest.fixture
def by_intensity(segmenter: NetworkSegmenter) -> NetworkSegmenter:
    """A segmenter whose network looks at the intensity of each voxel."""
    object.__setattr__(segmenter, "network", bright_and_dark)
    return segmenter


def a_phantom(affine: npt.NDArray[np.float64], shape: tuple[int, int, int]) -> LabelMap:
    """A box of each label, on either side of the middle of the first axis."""
    x, y, z = shape
    array = np.zeros(shape, np.uint8)
    middle = (slice(y // 4, y - y // 4), slice(z // 4, z - z // 4))
    array[(slice(x // 8, x // 2 - 1), *middle)] = 1
    array[(slice(x // 2 + 1, x - x // 8), *middle)] = 2
    return LabelMap(array, affine, LABELS)


def imaged(truth: LabelMap) -> Volume:
    """The phantom as a scanner shows it: anterior bright, posterior dark, some noise."""
    levels = np.array([100.0, 200.0, 0.0])
    noise = np.random.default_rng(0).normal(0, 4, truth.spatial_shape)
    return Volume((levels[truth.array] + noise).astype(np.float32), truth.affine)


def dice(answer: LabelMap, truth: LabelMap, label: str) -> float:
    """Overlap from 0 to 1."""
    found, wanted = answer.binary(label), truth.binary(label)
    return float(2 * (found & wanted).sum() / (found.sum() + wanted.sum()))


@pytest.mark.parametrize(
    ("affine", "shape"),
    [
        (np.eye(4), (24, 20, 18)),
        (affine_of((1.0, 1.5, 2.0), (-10.0, 20.0, 5.0)), (24, 16, 10)),
        (affine_of((0.6, 0.6, 1.4), degrees=25), (32, 32, 14)),
        (affine_of((-1.0, -1.0, 1.0), (50.0, 60.0, 70.0)), (24, 20, 18)),
        (affine_of((1.2, 0.9, 1.0), degrees=10)[:, [2, 0, 1, 3]], (24, 20, 18)),
    ],
    ids=["identity", "anisotropic", "oblique", "flipped", "permuted"],
)
def test_the_label_map_lies_on_the_inputs_voxels(
    by_intensity: NetworkSegmenter, affine: npt.NDArray[np.float64], shape: tuple[int, int, int]
) -> None:
    truth = a_phantom(affine, shape)
    answer = by_intensity(imaged(truth)).label_map
    np.testing.assert_array_equal(answer.affine, truth.affine)
    assert answer.spatial_shape == truth.spatial_shape
    assert answer.labels == LABELS
    assert min(dice(answer, truth, label) for label in LABELS) > 0.95


@pytest.mark.parametrize("orientation", ["LPS", "LAS", "SPR", "AIL"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 1.3, 2.0)])
def test_a_flipped_or_permuted_input_gets_the_same_answer(
    segmenter: NetworkSegmenter, orientation: str, spacing: tuple[float, float, float]
) -> None:
    volume = imaged(a_phantom(affine_of(spacing, degrees=8), (24, 20, 12)))
    straight, turned = segmenter(volume), segmenter(volume.reoriented(orientation))
    back = turned.label_map.reoriented(volume.orientation)
    np.testing.assert_array_equal(back.array, straight.label_map.array)
    assert back.shares_grid(volume)
    assert len(np.unique(back.array)) > 1


def test_an_answer_carries_its_seconds_and_its_certainty(by_intensity: NetworkSegmenter) -> None:
    answer = by_intensity(imaged(a_phantom(np.eye(4), (24, 20, 18))))
    assert list(answer.seconds) == ["preprocessing", "network", "postprocessing"]
    assert all(seconds >= 0 for seconds in answer.seconds.values())
    assert answer.total_seconds == pytest.approx(sum(answer.seconds.values()))
    assert 0.5 < answer.certainty <= 1
    assert answer.warnings == ()


def test_a_volume_without_anatomy_is_answered_with_a_warning(
    segmenter: NetworkSegmenter,
) -> None:
    object.__setattr__(segmenter, "network", sees_nothing)
    answer = segmenter(Volume(NOISE, np.eye(4)))
    assert answer.certainty == 0
    assert answer.label_map.array.sum() == 0
    assert answer.warnings == ("Nothing was found of: anterior, posterior.",)


@pytest.mark.parametrize(("shape", "spacing"), [((35, 8, 8), 2.0), ((8, 8, 8), 1.0)])
def test_a_box_unlike_the_training_data_is_answered_with_a_warning(
    by_intensity: NetworkSegmenter, shape: tuple[int, int, int], spacing: float
) -> None:
    answer = by_intensity(imaged(a_phantom(affine_of((spacing,) * 3), shape)))
    assert "unlike the training data" in answer.warnings[0]
    assert "tiny v1" in answer.warnings[0]
    assert answer.label_map.spatial_shape == shape


def test_only_the_largest_component_is_kept_where_the_card_says_so(
    a_trained_model: ModelCard,
) -> None:
    segmenter = NetworkSegmenter(replace(a_trained_model, keep_largest=("anterior",)))
    object.__setattr__(segmenter, "network", bright_and_dark)
    truth = a_phantom(np.eye(4), (24, 20, 18))
    volume = imaged(truth)
    spotted = volume.array.copy()
    spotted[21:23, 1:3, 1:3] = 200
    answer = segmenter(volume.new(spotted)).label_map
    assert not answer.binary("anterior")[20:].any()
    assert dice(answer, truth, "anterior") > 0.95


def test_another_number_of_channels_is_refused(segmenter: NetworkSegmenter) -> None:
    with pytest.raises(WrongChannels, match=r"has 3 channel.* wants 1: MRI"):
        segmenter(Volume(np.zeros((3, 20, 20, 20)), np.eye(4)))


def test_nan_is_refused(segmenter: NetworkSegmenter) -> None:
    with pytest.raises(UnsupportedVolume, match="NaN"):
        segmenter(Volume(np.full((20, 20, 20), np.nan), np.eye(4)))


def test_a_model_without_weights_is_refused(a_card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        NetworkSegmenter(replace(a_card, folder=tmp_path))


def test_a_cancelled_segmentation_leaves_the_segmenter_as_it_was(
    segmenter: NetworkSegmenter,
) -> None:
    volume = imaged(a_phantom(np.eye(4), (24, 20, 18)))
    expected = segmenter(volume).label_map

    class Impatient:
        def advance(self, done: int, total: int, message: str = "") -> None:
            if 0 < done < total:
                raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        segmenter(volume, Impatient())
    np.testing.assert_array_equal(segmenter(volume).label_map.array, expected.array)


def sees_nothing(patch: Tensor) -> Tensor:
    """Be sure that every voxel is background."""
    return torch.cat([torch.ones_like(patch), *[torch.zeros_like(patch)] * 2], dim=1)


def too_much(patch: Tensor) -> Tensor:
    """Ask the processor for more than any machine has."""
    return torch.empty(2**45)


@pytest.mark.parametrize("stage", ["logits_by_row", "finished", "network"])
def test_running_out_of_memory_is_too_large(
    segmenter: NetworkSegmenter, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise MemoryError

    if stage == "network":
        object.__setattr__(segmenter, "network", too_much)
    else:
        monkeypatch.setattr(f"verisim.segmentation.{stage}", refuse)
    with pytest.raises(TooLarge, match=r"\(20, 20, 20\) voxels and 20 × 20 × 20 mm"):
        segmenter(Volume(NOISE, np.eye(4)))


def test_a_failure_of_another_kind_is_not_called_a_lack_of_memory(
    segmenter: NetworkSegmenter,
) -> None:
    def broken(patch: Tensor) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    object.__setattr__(segmenter, "network", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        segmenter(Volume(NOISE, np.eye(4)))


def test_one_network_is_a_segmenter(segmenter: NetworkSegmenter) -> None:
    some: Segmenter = segmenter
    assert some.card.title == "tiny v1"
