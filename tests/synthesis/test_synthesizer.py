"""Cases of nobody: the same for the same words, on the voxels that were asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import affine_of
from verisim.card import ModelCard, write_model
from verisim.errors import BadCard, BadInput, Cancelled
from verisim.networks.case_diffusion import CaseDiffusion
from verisim.networks.weights import weights_of
from verisim.synthesis import Synthesizer, SyntheticCase
from verisim.synthesis.making import finer
from verisim.synthesis.synthesizer import wished
from verisim.volume import LabelMap


def a_label_map(shape: tuple[int, int, int] = (10, 12, 9), degrees: float = 0.0) -> LabelMap:
    array = np.zeros(shape, np.uint8)
    array[2:5, 3:9, 2:7] = 1
    array[5:8, 3:9, 2:7] = 2
    affine = affine_of((1.0, 1.0, 1.0), (5.0, -7.0, 3.0), degrees)
    return LabelMap(array, affine, {"anterior": 1, "posterior": 2})


def made(card: ModelCard, numbers: range, *given: LabelMap) -> list[SyntheticCase]:
    return list(Synthesizer(card)(numbers, given))


def same(one: SyntheticCase, other: SyntheticCase) -> bool:
    return np.array_equal(one.volume.array, other.volume.array) and np.array_equal(
        one.label_map.array, other.label_map.array
    )


def test_a_case_is_the_same_whoever_makes_it_and_beside_which(a_generator: ModelCard) -> None:
    together = made(a_generator, range(4))
    for first in (0, 2):  # two workers
        for k, case in enumerate(made(a_generator, range(first, first + 2))):
            assert same(case, together[first + k])
            assert case.provenance == together[first + k].provenance
    assert not same(together[0], together[1])


def test_another_seed_gives_other_cases(a_generator: ModelCard) -> None:
    assert a_generator.generation is not None
    other = replace(a_generator, generation=replace(a_generator.generation, seed=1))
    assert not same(made(a_generator, range(1))[0], made(other, range(1))[0])


def test_image_and_labels_share_their_voxels_and_their_sizes_differ(
    a_generator: ModelCard,
) -> None:
    cases = made(a_generator, range(6))
    for case in cases:
        assert case.volume.spatial_shape == case.label_map.spatial_shape
        assert case.volume.spacing_mm == a_generator.preprocessing.spacing_mm
        assert case.volume.array.dtype == np.int16
        assert case.volume.array.min() >= 0
        assert case.label_map.labels == a_generator.labels
    assert len({case.volume.spatial_shape for case in cases}) > 1


@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_a_given_label_map_comes_back_as_it_is(a_generator: ModelCard, degrees: float) -> None:
    given = a_label_map(degrees=degrees).reoriented("LPI")
    (case,) = made(a_generator, range(1), given)
    np.testing.assert_array_equal(case.label_map.array, given.array)
    np.testing.assert_array_equal(case.label_map.affine, given.affine)
    assert case.volume.spatial_shape == given.spatial_shape
    np.testing.assert_allclose(case.volume.affine, given.affine)
    assert case.provenance.labels == "given"
    assert len(case.provenance.labels_sha256) == 64


def test_the_image_follows_the_labels_only_as_far_as_it_is_guided(a_generator: ModelCard) -> None:
    """Without guidance the label map changes nothing; with it, it does."""
    first = a_label_map()
    other = first.new(np.flip(first.array, 0))

    def images(guidance: float) -> list[np.ndarray]:
        assert a_generator.generation is not None
        generation = replace(a_generator.generation, guidance=guidance)
        card = replace(a_generator, generation=generation)
        return [made(card, range(1), one)[0].volume.array for one in (first, other)]

    np.testing.assert_array_equal(*images(0.0))
    assert not np.array_equal(*images(1.5))


def test_given_label_maps_take_turns_by_the_number_of_the_case(a_generator: ModelCard) -> None:
    first, second = a_label_map(), a_label_map((9, 12, 10))
    cases = made(a_generator, range(3, 6), first, second)
    shapes = [case.label_map.spatial_shape for case in cases]
    assert shapes == [(9, 12, 10), (10, 12, 9), (9, 12, 10)]


def test_a_label_map_larger_than_what_the_model_makes_is_refused(a_generator: ModelCard) -> None:
    with pytest.raises(BadInput, match=r"20×12×9 voxels .* 16×16×16"):
        made(a_generator, range(1), a_label_map((20, 12, 9)))


def test_a_label_map_of_other_labels_is_refused(a_generator: ModelCard) -> None:
    wrong = replace(a_label_map(), labels={"liver": 1, "anterior": 2})
    with pytest.raises(BadInput, match="posterior"):
        made(a_generator, range(1), wrong)


@pytest.mark.parametrize("number", [-1, 100_000])
def test_a_number_out_of_the_set_is_refused(a_generator: ModelCard, number: int) -> None:
    with pytest.raises(BadInput, match=str(number)):
        made(a_generator, range(number, number + 1))


def test_a_model_that_segments_makes_no_cases(a_trained_model: ModelCard) -> None:
    with pytest.raises(BadCard, match="makes no cases"):
        Synthesizer(a_trained_model)


def test_image_and_labels_made_together(a_generator: ModelCard) -> None:
    assert isinstance(a_generator.network, CaseDiffusion)
    card = replace(a_generator, name="joint", network=replace(a_generator.network, joint=True))
    network = card.build()
    card = write_model(card, weights_of(network), a_generator.folder)
    network_boxes = made(card, range(2))
    assert not same(*network_boxes)
    with pytest.raises(BadInput, match="together"):
        made(card, range(1), a_label_map())


def test_progress_never_falls_and_cancel_stops_between_steps(a_generator: ModelCard) -> None:
    shares: list[float] = []

    class Heard:
        def advance(self, done: int, total: int, message: str = "") -> None:
            shares.append(done / total)
            if len(shares) == 7:
                raise Cancelled("Enough.", "Ask again.")

    synthesizer = Synthesizer(a_generator)
    with pytest.raises(Cancelled):
        list(synthesizer(range(3), (), Heard()))
    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1


def test_provenance_names_the_model_and_nobody(a_generator: ModelCard) -> None:
    about = made(a_generator, range(7, 8))[0].provenance
    assert (about.generator, about.sha256) == (a_generator.title, a_generator.sha256)
    assert (about.number, about.seed, about.synthetic) == (7, 0, True)
    assert about.name.startswith("synthetic_tiny-generator-v1_s0_00007")


@pytest.mark.parametrize("step", [(2, 2, 2), (2, 2, 1)])
def test_finer_masks_have_the_means_they_are_made_of(step: tuple[int, int, int]) -> None:
    masks = torch.nn.functional.pad(torch.ones(1, 1, 6, 9, 5), (3, 4, 4, 3, 5, 5), value=-1.0)
    coarse = torch.nn.functional.avg_pool3d(masks, step)
    found = finer(coarse, step)
    assert found.shape == masks.shape
    again = torch.nn.functional.avg_pool3d(found, step)
    torch.testing.assert_close(again, coarse, rtol=0, atol=0.05)
    plain = torch.nn.functional.interpolate(coarse, scale_factor=step, mode="trilinear")
    volumes = [int((one > 0).sum()) for one in (masks, found, plain)]
    assert abs(volumes[1] - volumes[0]) < abs(volumes[2] - volumes[0])


def test_slices_are_made_as_thick_as_their_pixels_or_as_those_given(
    a_generator: ModelCard,
) -> None:
    """A network for slices leaves their thickness as it is: its card says 0."""
    plan = CaseDiffusion((4, 8, 8), ((1, 1, 1), (2, 2, 1), (2, 2, 1)), ((3, 3, 1),) * 3)
    flat = replace(
        a_generator,
        name="flat",
        network=plan,
        patch_size=(16, 16, 1),
        preprocessing=replace(a_generator.preprocessing, spacing_mm=(0.5, 0.5, 0.0)),
    )
    network = plan.build(1, 3)
    network.remember([(12, 14, 20), (13, 15, 18)])
    card = write_model(flat, weights_of(network), a_generator.folder)
    (case,) = made(card, range(1))
    assert case.volume.spatial_shape[2] == 1
    assert case.volume.spacing_mm == (0.5, 0.5, 0.5)
    array = np.zeros((8, 10, 1), np.uint8)
    array[2:4, 3:6], array[4:6, 3:6] = 1, 2
    given = LabelMap(array, affine_of((0.5, 0.5, 4.0)), {"anterior": 1, "posterior": 2})
    (shown,) = made(card, range(1), given)
    assert shown.volume.spacing_mm == (0.5, 0.5, 4.0)
    np.testing.assert_array_equal(shown.label_map.array, array)


def test_a_stylegan_makes_cases_in_one_step(a_stylegan: ModelCard) -> None:
    together = made(a_stylegan, range(4))
    alone = made(a_stylegan, range(2, 3))[0]
    assert same(alone, together[2])
    assert not same(together[0], together[1])
    assert {case.evaluations for case in together} == {1}
    about = together[0].provenance
    assert (about.solver, about.steps, about.guidance, about.truncation) == ("", 0, 0.0, 1.0)
    assert len({case.volume.spatial_shape for case in together}) > 1
    assert together[0].label_map.shares_grid(together[0].volume)


def test_truncated_cases_are_more_alike(a_stylegan: ModelCard) -> None:
    usual = wished(a_stylegan, truncation=0.01)
    label_maps = [case.label_map.array for case in made(usual, range(2))]
    sides = tuple(slice(min(n)) for n in zip(*(one.shape for one in label_maps), strict=True))
    assert (label_maps[0][sides] == label_maps[1][sides]).mean() > 0.8


def test_a_stylegan_takes_neither_labels_nor_steps(
    a_stylegan: ModelCard, a_generator: ModelCard
) -> None:
    with pytest.raises(BadInput, match="together"):
        made(a_stylegan, range(1), a_label_map())
    with pytest.raises(BadInput, match="no setting steps, guidance"):
        wished(a_stylegan, steps=3, guidance=1.0)
    with pytest.raises(BadInput, match="no setting truncation"):
        wished(a_generator, truncation=1.0)
