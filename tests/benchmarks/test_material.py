"""What both programs are given."""

from pathlib import Path

import numpy as np
import pytest

from beside_nnunet.material import anatomy_in_noise, lay_out, lay_out_large, shape_of
from verisim.dataset import Case
from verisim.files import read, write
from verisim.volume import Volume


@pytest.fixture
def a_case(tmp_path: Path, a_volume: Volume) -> Case:
    """An image file."""
    write(tmp_path / "image.nii.gz", a_volume)
    return Case("image", "image", (tmp_path / "image.nii.gz",))


def test_anatomy_lies_in_the_noise_standardized_and_whole() -> None:
    anatomy = np.random.default_rng(1).gamma(2, 100, (5, 6, 7))
    array = anatomy_in_noise((40, 40, 40), [anatomy, anatomy])
    standardized = ((anatomy - anatomy.mean()) / anatomy.std()).astype(np.float32)
    np.testing.assert_array_equal(array[:5, :6, :7], standardized)
    np.testing.assert_array_equal(array[:5, :6, 15:22], standardized)


def test_the_same_seed_gives_the_same_noise_without_zeros() -> None:
    array = anatomy_in_noise((20, 20, 20), [])
    np.testing.assert_array_equal(array, anatomy_in_noise((20, 20, 20), []))
    assert (array != 0).all()
    assert array.std() == pytest.approx(1, abs=1e-3)


def test_images_are_named_as_nnunet_wants_them(tmp_path: Path, a_case: Case) -> None:
    folder = lay_out([a_case], tmp_path / "images")
    assert [path.name for path in folder.iterdir()] == ["image_0000.nii.gz"]


def test_the_large_volume_has_the_shape_that_was_asked_for(tmp_path: Path, a_case: Case) -> None:
    folder = lay_out_large((30, 31, 32), [a_case], tmp_path / "large")
    assert read(folder / "large_0000.nii.gz").spatial_shape == (30, 31, 32)


def test_a_shape_is_three_sides() -> None:
    assert shape_of("256x256x200") == (256, 256, 200)
    for words in ("256x256", "256x256x0", "axbxc", "1x2x3x4"):
        with pytest.raises(ValueError, match="is no shape"):
            shape_of(words)
