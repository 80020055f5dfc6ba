"""Probability and uncertainty of each voxel, beside its label."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import affine_of
from tests.test_rescue import Short
from verisim.card import ModelCard, write_model
from verisim.ensembles import segmenter_of
from verisim.errors import StorageFailed, UnsupportedVolume
from verisim.fractions import ONE, Fractions, as_fractions
from verisim.maps import MAP_KINDS, MapMaking, Maps, uncertainty
from verisim.networks.weights import weights_of
from verisim.rescue import Attempt, segment_within
from verisim.segmentation import NetworkSegmenter, Segmentation, Segmenter, load_network
from verisim.training.augmentation import seeded
from verisim.volume import Array, Volume

LABELS = {"anterior": 1, "posterior": 2}
STEP = 1 / ONE
"""What rounding to 16 bits may miss, twice over."""
HALF_STEP = 2e-3
"""What sums in half precision may miss."""


@pytest.fixture(autouse=True)
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding to bfloat16 would hide what is the same."""
    monkeypatch.setattr("verisim.precision.has_bfloat16", lambda kind: False)


@pytest.fixture
def volume() -> Volume:
    """A noisy volume whose border, of 3 to 6 voxels, is zero."""
    array = np.zeros((30, 26, 22), np.float32)
    array[4:26, 3:20, 5:18] = np.random.default_rng(0).normal(5, 1, (22, 17, 13))
    return Volume(array, affine_of((1.0, 0.9, 1.2), (10.0, -20.0, 5.0), degrees=10))


@pytest.fixture
def cropping(a_trained_model: ModelCard) -> ModelCard:
    """A model that looks only at what is not zero."""
    crops = replace(a_trained_model.preprocessing, crop=True)
    return replace(a_trained_model, preprocessing=crops)


def by_class(maps: Maps) -> Array:
    """All classes (K, X, Y, Z), background first."""
    labels = np.stack([one.values for one in maps.probability.values()])
    return np.concatenate([1 - labels.sum(axis=0, keepdims=True), labels])


def told(maps: Maps) -> Fractions:
    """The uncertainty, which was asked for."""
    assert maps.uncertainty is not None
    return maps.uncertainty


def behind(array: Array) -> object:
    """What the memory of an array belongs to, if not to itself."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.base


def asked(card: ModelCard, volume: Volume) -> Segmentation:
    return NetworkSegmenter(card, maps=MAP_KINDS)(volume)


def random_classes(shape: tuple[int, ...] = (6, 5, 4)) -> Array:
    drawn = np.random.default_rng(0).dirichlet((1, 1, 1), shape).astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(drawn, -1, 0))


@pytest.mark.parametrize("classes", [2, 3, 31])
def test_who_is_sure_has_no_uncertainty_and_who_knows_nothing_has_all(classes: int) -> None:
    sure = np.zeros((classes, 2, 2, 2), np.float32)
    sure[classes - 1] = 1
    assert (uncertainty(sure) == 0).all()
    alike = np.full((classes, 2, 2, 2), 1 / classes, np.float32)
    np.testing.assert_allclose(uncertainty(alike), 1, atol=1e-6)


def test_uncertainty_is_the_same_whatever_the_order_of_the_classes() -> None:
    drawn = random_classes()
    np.testing.assert_allclose(uncertainty(drawn), uncertainty(drawn[::-1].copy()), atol=1e-6)
    two = np.array([0.25, 0.75], np.float32).reshape(2, 1, 1, 1)
    assert uncertainty(two).item() == pytest.approx(0.8112781, abs=1e-6)  # bits


@pytest.mark.parametrize("rows", [1, 4, 6])
def test_maps_are_filled_row_by_row(rows: int) -> None:
    drawn = random_classes()
    making = MapMaking(Volume(drawn, np.eye(4)), (slice(None),) * 3, LABELS, MAP_KINDS)
    for k in range(0, 6, rows):
        making.fill(slice(k, min(k + rows, 6)), drawn[:, k : k + rows])
    np.testing.assert_allclose(by_class(making.maps), drawn, atol=1.1 * STEP)
    np.testing.assert_allclose(told(making.maps).values, uncertainty(drawn), atol=STEP)


@pytest.mark.parametrize("kinds", [(), ("probability",), ("uncertainty",)])
def test_only_what_is_asked_for_is_made(
    a_trained_model: ModelCard, volume: Volume, kinds: tuple[str, ...]
) -> None:
    maps = NetworkSegmenter(a_trained_model, maps=kinds)(volume).maps  # type: ignore[arg-type]  # names of kinds
    assert (tuple(maps.probability) == tuple(LABELS)) == ("probability" in kinds)
    assert (maps.uncertainty is not None) == ("uncertainty" in kinds)


def test_asked_for_maps_or_not_the_answer_is_the_same(
    a_trained_model: ModelCard, volume: Volume
) -> None:
    card = replace(a_trained_model, keep_largest=("anterior",))
    plain, more = NetworkSegmenter(card)(volume), asked(card, volume)
    np.testing.assert_array_equal(more.label_map.array, plain.label_map.array)
    assert (more.certainty, more.warnings) == (plain.certainty, plain.warnings)


def test_the_label_is_the_most_probable_class(a_trained_model: ModelCard, volume: Volume) -> None:
    answer = asked(a_trained_model, volume)
    classes = by_class(answer.maps)
    first, second = np.sort(classes, axis=0)[:-3:-1]
    clear = first - second > 4 * STEP
    np.testing.assert_array_equal(
        classes.argmax(axis=0)[clear], answer.label_map.array[clear].astype(int)
    )
    assert clear.mean() > 0.95
    assert classes.min() > -2 * STEP
    np.testing.assert_allclose(
        told(answer.maps).values, uncertainty(np.clip(classes, 0, 1)), atol=1e-3
    )


def test_the_largest_component_is_kept_of_labels_not_of_maps(
    a_trained_model: ModelCard, volume: Volume
) -> None:
    kept = asked(replace(a_trained_model, keep_largest=tuple(LABELS)), volume)
    every = asked(a_trained_model, volume)
    assert not np.array_equal(kept.label_map.array, every.label_map.array)
    np.testing.assert_array_equal(by_class(kept.maps), by_class(every.maps))


@pytest.mark.parametrize("orientation", ["LPS", "SPR", "AIL"])
def test_maps_lie_on_the_voxels_of_the_input(
    cropping: ModelCard, volume: Volume, orientation: str
) -> None:
    turned = volume.reoriented(orientation)
    straight, other = asked(cropping, volume).maps, asked(cropping, turned).maps
    for one in (*other.probability.values(), told(other)):
        np.testing.assert_array_equal(one.affine, turned.affine)
        assert one.spatial_shape == turned.spatial_shape
    back = told(other).reoriented(volume.orientation)
    np.testing.assert_array_equal(back.array, told(straight).array)
    anterior = other.probability["anterior"].reoriented(volume.orientation)
    np.testing.assert_array_equal(anterior.array, straight.probability["anterior"].array)


def test_outside_the_box_all_is_surely_background(cropping: ModelCard, volume: Volume) -> None:
    maps = asked(cropping, volume).maps
    outside = np.ones(volume.spatial_shape, bool)
    outside[4:26, 3:20, 5:18] = False
    for one in (*maps.probability.values(), told(maps)):
        assert (one.array[outside] == 0).all()
        assert (one.array[~outside] > 0).all()


@pytest.fixture
def ensemble(cropping: ModelCard, tmp_path: Path) -> Callable[..., ModelCard]:
    """A card of some models, "tiny" and "other" of other weights."""
    with seeded(1):
        write_model(replace(cropping, name="other"), weights_of(cropping.build()), tmp_path)
    write_model(cropping, weights_of(cropping.load()), tmp_path)

    def of(*names: str) -> ModelCard:
        return replace(cropping, name="all", ensemble=names, sha256="", folder=tmp_path)

    return of


@pytest.mark.parametrize("times", [2, 3])
def test_a_model_several_times_has_the_maps_of_the_model(
    ensemble: Callable[..., ModelCard], cropping: ModelCard, volume: Volume, times: int
) -> None:
    several = segmenter_of(ensemble(*["tiny"] * times), maps=MAP_KINDS)(volume).maps
    once = asked(cropping, volume).maps
    np.testing.assert_allclose(by_class(several), by_class(once), atol=HALF_STEP)
    np.testing.assert_allclose(told(several).values, told(once).values, atol=HALF_STEP)
    assert (told(several).array[0] == 0).all()  # nobody looks there


def test_an_ensemble_tells_the_mean_and_is_no_surer_than_its_models_are_on_average(
    ensemble: Callable[..., ModelCard], volume: Volume
) -> None:
    card = ensemble("tiny", "other")
    both = segmenter_of(card, maps=MAP_KINDS)(volume).maps
    one, other = (segmenter_of(ensemble(n), maps=MAP_KINDS)(volume).maps for n in card.ensemble)
    mean = (by_class(one) + by_class(other)) / 2
    np.testing.assert_allclose(by_class(both), mean, atol=HALF_STEP)
    average = (told(one).values + told(other).values) / 2  # entropy is concave
    assert (told(both).values > average - HALF_STEP).all()
    assert not np.allclose(told(both).values, average, atol=5 * HALF_STEP)


def test_the_second_stage_of_a_cascade_tells_maps_and_the_first_is_not_asked(
    a_trained_model: ModelCard, volume: Volume
) -> None:
    stage = replace(a_trained_model, name="second", previous="tiny", sha256="")
    with seeded(1):
        second = write_model(stage, weights_of(stage.build()), a_trained_model.folder)
    segmenter = segmenter_of(second, maps=MAP_KINDS)
    assert isinstance(segmenter, NetworkSegmenter)
    assert isinstance(segmenter.previous, NetworkSegmenter)
    assert segmenter.previous.maps == ()
    answer = segmenter(volume)
    classes = by_class(answer.maps)
    same = classes.argmax(axis=0) == answer.label_map.array
    assert same.mean() > 0.99
    assert told(answer.maps).shares_grid(volume)


def test_a_rescued_answer_has_the_maps_of_its_last_attempt_only(
    a_trained_model: ModelCard, volume: Volume
) -> None:
    class Late(Short):
        """Runs out of memory on the way, when maps are half filled."""

        calls = 0

        def forward(self, patches: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            if self.calls == 3 and self.voxels == 0:
                raise torch.OutOfMemoryError("CUDA out of memory")
            logits: torch.Tensor = self.network(patches)
            return logits

    def made(attempt: Attempt) -> Segmenter:
        last = attempt.sparing.alone

        def network(card: ModelCard, device: str) -> torch.nn.Module:
            return Late(load_network(card, device), int(last))

        return segmenter_of(
            a_trained_model, sparing=attempt.sparing, networks=network, maps=MAP_KINDS
        )

    rescued = segment_within(made, [a_trained_model], volume)
    assert rescued.attempts == 2
    alone = NetworkSegmenter(a_trained_model, alone=True, maps=MAP_KINDS)(volume).maps
    np.testing.assert_array_equal(by_class(rescued.segmentation.maps), by_class(alone))


def test_a_large_map_lies_on_the_disk_and_holds_the_same(
    a_trained_model: ModelCard, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = asked(a_trained_model, volume).maps
    monkeypatch.setattr("verisim.maps.IN_MEMORY", 0)
    on_disk = asked(a_trained_model, volume).maps
    np.testing.assert_array_equal(by_class(on_disk), by_class(in_memory))
    np.testing.assert_array_equal(told(on_disk).array, told(in_memory).array)
    assert isinstance(behind(told(on_disk).array), mmap.mmap)
    assert behind(told(in_memory).array) is None


def test_a_disk_without_room_is_told_before_anything_is_computed(
    a_trained_model: ModelCard, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("verisim.maps.IN_MEMORY", 0)
    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    segmenter = NetworkSegmenter(a_trained_model, maps=("uncertainty",))
    with pytest.raises(StorageFailed, match=r"has no room in .*: No space left"):
        segmenter(volume)


def test_fractions_are_exact_at_their_ends_and_right_between() -> None:
    values = np.linspace(0, 1, 60).reshape(3, 4, 5)
    kept = Fractions(as_fractions(values), np.eye(4))
    np.testing.assert_allclose(kept.values, values, atol=STEP / 2 + 1e-9)
    assert (kept.values.min(), kept.values.max()) == (0, 1)
    assert kept.values.dtype == np.float32


@pytest.mark.parametrize("array", [np.zeros((2, 3, 4, 5), np.uint16), np.zeros((3, 4, 5))])
def test_other_numbers_are_no_fractions(array: Array) -> None:
    with pytest.raises(UnsupportedVolume, match="three axes of unsigned 16 bits"):
        Fractions(array, np.eye(4))
