"""Images of random contrast: nothing is learned, every case is another, the same for a seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import affine_of
from tests.training.balls import write_balls
from verisim import files
from verisim.card import ModelCard, read_card
from verisim.errors import BadCard, BadInput, Cancelled
from verisim.installed import SHIPPED_MODELS, find_card
from verisim.metrics import dice
from verisim.networks.random_contrast import Chance, RandomContrast
from verisim.synthesis import Synthesizer, SyntheticCase
from verisim.synthesis.contrasting import smooth
from verisim.synthesis.given import alike, for_label_maps, read_folder, read_given
from verisim.volume import LabelMap, Volume


def a_label_map(shape: tuple[int, int, int] = (20, 24, 18)) -> LabelMap:
    x, y, z = np.indices(shape) - np.array(shape).reshape(3, 1, 1, 1) / 2
    array = ((x**2 + y**2 + z**2) < 36).astype(np.uint8)
    array[(array > 0) & (y > 0)] = 2
    return LabelMap(array, affine_of((1.0, 1.0, 1.2), degrees=20), {"front": 1, "back": 2})


def shipped() -> ModelCard:
    return find_card("random-contrast", SHIPPED_MODELS)


def made(numbers: range, *given: LabelMap, **wish: float) -> list[SyntheticCase]:
    card = shipped()
    assert isinstance(card.generation, Chance)
    wished = replace(card, generation=replace(card.generation, **wish))  # type: ignore[arg-type]
    return list(Synthesizer(for_label_maps(wished, given))(numbers, given))


def test_a_case_is_the_same_whoever_makes_it_and_each_is_another() -> None:
    together = made(range(3), a_label_map())
    (alone,) = made(range(2, 3), a_label_map())
    np.testing.assert_array_equal(alone.volume.array, together[2].volume.array)
    np.testing.assert_array_equal(alone.label_map.array, together[2].label_map.array)
    assert np.abs(together[0].volume.array - together[1].volume.array).mean() > 20
    (other,) = made(range(1), a_label_map(), seed=1)
    assert not np.array_equal(other.volume.array, together[0].volume.array)


def test_cases_lie_on_the_voxels_of_the_label_map_and_show_its_labels_a_little_bent() -> None:
    given = a_label_map()
    for case in made(range(4), given):
        assert case.volume.spatial_shape == case.label_map.spatial_shape == given.spatial_shape
        np.testing.assert_allclose(case.volume.affine, given.affine)
        np.testing.assert_allclose(case.label_map.affine, given.affine)
        assert case.label_map.labels == {"front": 1, "back": 2}
        assert not np.array_equal(case.label_map.array, given.array)
        for name in given.labels:
            assert dice(case.label_map.binary(name), given.binary(name)) > 0.5


def test_without_bending_the_label_map_stays_as_it_is() -> None:
    given = a_label_map()
    (case,) = made(range(1), given, turn=0, zoom=0, bend=0)
    np.testing.assert_array_equal(case.label_map.array, given.array)


def test_intensities_tell_the_labels_apart_and_are_clean_where_nothing_disturbs() -> None:
    """Without spread, bias, blur and noise a label is of one brightness."""
    calm = {"spread": 0, "bias": 0, "blur": 0, "thickness": 1, "noise": 0}
    for case in made(range(3), a_label_map(), **calm):
        values = [np.unique(case.volume.array[case.label_map.array == k]) for k in (1, 2)]
        assert [len(found) for found in values] == [1, 1]
        assert values[0] != values[1]


def test_contrast_turns_either_way() -> None:
    brighter = []
    for case in made(range(12), a_label_map()):
        front, back = (case.volume.array[case.label_map.array == k].mean() for k in (1, 2))
        brighter.append(front > back)
    assert 0 < sum(brighter) < 12


def test_a_slice_stays_a_slice() -> None:
    whole = a_label_map()
    flat = LabelMap(whole.array[:, :, 9:10], whole.affine, whole.labels)
    for case in made(range(3), flat):
        assert case.volume.spatial_shape == flat.spatial_shape
        for name in flat.labels:
            assert dice(case.label_map.binary(name), flat.binary(name)) > 0.5


def test_provenance_says_that_nothing_was_learned_but_whose_shapes_they_are() -> None:
    about = made(range(1), a_label_map())[0].provenance
    assert (about.sha256, about.trained_on, about.training_cases) == ("", "", 0)
    assert (about.solver, about.steps, about.labels) == ("", 0, "given")
    assert len(about.labels_sha256) == 64


def test_smooth_noise_is_smooth_and_of_the_size_that_is_asked_for() -> None:
    field = smooth((30, 31, 1), 10, np.random.default_rng(0))
    assert field.shape == (30, 31, 1)
    assert np.abs(np.diff(field, axis=0)).max() < 0.5 * np.ptp(field)


def test_progress_is_heard_and_cancel_stops() -> None:
    class Impatient:
        def advance(self, done: int, total: int, message: str = "") -> None:
            if done >= 2:
                raise Cancelled("Enough.", "Ask again.")

    given = a_label_map()
    synthesizer = Synthesizer(for_label_maps(shipped(), [given]))
    with pytest.raises(Cancelled):
        list(synthesizer(range(2), [given], Impatient()))


def test_without_label_maps_it_is_refused() -> None:
    with pytest.raises(BadInput, match="none is given"):
        Synthesizer(shipped())(range(1)).__next__()
    with pytest.raises(BadInput, match="none is given"):
        for_label_maps(shipped(), [])
    empty = LabelMap(np.zeros((4, 4, 4), np.uint8), np.eye(4), {})
    with pytest.raises(BadInput, match="no labels"):
        for_label_maps(shipped(), [empty])


def test_there_is_nothing_to_train() -> None:
    with pytest.raises(BadCard, match="no network"):
        shipped().build()


@pytest.mark.parametrize(
    "wrong",
    [{"bend": -1.0}, {"noise": float("nan")}, {"zoom": 1.0}, {"thickness": 0.5}, {"seed": -1}],
)
def test_numbers_that_cannot_be_drawn_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        replace(Chance(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        RandomContrast(0)


def test_labels_of_all_maps_are_those_of_each() -> None:
    one = LabelMap(np.full((2, 2, 2), 4, np.uint8), np.eye(4), {"a": 4})
    two = LabelMap(np.full((2, 2, 2), 7, np.uint8), np.eye(4), {"b": 7})
    first, second = alike([one, two])
    assert first.labels == second.labels == {"a": 1, "b": 2}
    assert (first.array == 1).all()
    assert (second.array == 2).all()


def test_label_maps_come_from_files_folders_and_the_split_of_a_data_set(tmp_path: Path) -> None:
    write_balls(tmp_path / "balls", 4, 1)
    found = read_folder(tmp_path / "balls", shipped(), "train")
    assert len(found) == 3
    assert all(one.labels == {"anterior": 1, "posterior": 2} for one in found)
    (tmp_path / "maps").mkdir()
    files.write(tmp_path / "maps" / "one.nii.gz", a_label_map())
    (unnamed,) = read_folder(tmp_path / "maps", shipped(), "train")
    assert set(unnamed.labels) == {"label_1", "label_2"}
    assert len(read_given([tmp_path / "maps" / "one.nii.gz"], shipped())) == 1
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadInput, match="no label maps"):
        read_folder(tmp_path / "nothing", shipped(), "train")


def test_label_maps_of_every_layout_are_found(tmp_path: Path) -> None:
    """Those of MONAI Label lie below the images, those of BraTS in folders of their own."""
    image = Volume(a_label_map().array.astype(np.float32), a_label_map().affine)
    (tmp_path / "monai" / "labels" / "final").mkdir(parents=True)
    (tmp_path / "brats" / "case").mkdir(parents=True)
    for path in ("monai/one.nii.gz", "brats/case/case_t1.nii.gz"):
        files.write(tmp_path / path, image)
    for path in ("monai/labels/final/one.nii.gz", "brats/case/case_seg.nii.gz"):
        files.write(tmp_path / path, a_label_map())
    for name in ("monai", "brats"):
        (found,) = read_folder(tmp_path / name, shipped(), "train")
        np.testing.assert_array_equal(found.array, a_label_map().array)


def test_a_card_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    text = (SHIPPED_MODELS / "random-contrast-v1.toml").read_text()
    path = tmp_path / "odd-v1.toml"
    path.write_text(text.replace('"synthesis"', '"segmentation"'))
    with pytest.raises(BadCard, match="kind = synthesis"):
        read_card(path)
    path.write_text(text.replace("bend = 2.0", "bent = 2.0"))
    with pytest.raises(BadCard, match="generation"):
        read_card(path)
