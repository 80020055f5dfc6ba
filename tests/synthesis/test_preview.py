"""Pictures of a case that becomes clean: whole ones, not too many, and they change no voxel."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.image import imread

from verisim.card import ModelCard
from verisim.synthesis import Synthesizer
from verisim.synthesis.preview import PIXELS, Preview, middle_slice


def test_the_guesses_of_a_case_are_shown_and_change_nothing(a_generator: ModelCard) -> None:
    shown: list[torch.Tensor] = []
    watched = Synthesizer(a_generator, watch=lambda picture: shown.append(picture.clone()))
    (case,) = watched(range(1))
    (alone,) = Synthesizer(a_generator)(range(1))
    np.testing.assert_array_equal(case.volume.array, alone.volume.array)
    assert a_generator.generation is not None
    assert len(shown) == 3 + 2  # steps of the image, and of the label map before
    assert {picture.ndim for picture in shown} == {3}
    assert shown[-1].std() > 0


def test_a_picture_is_drawn_at_most_every_so_often(tmp_path: Path) -> None:
    path = tmp_path / "preview.png"
    often, seldom = Preview(path, seconds=0), Preview(path, seconds=1000)
    first = torch.arange(4 * 6 * 8).reshape(4, 6, 8)
    seldom(first)
    before = imread(path)
    seldom(-first)
    np.testing.assert_array_equal(imread(path), before)
    often(-first)
    assert not np.array_equal(imread(path), before)
    assert [one.name for one in tmp_path.iterdir()] == ["preview.png"]


def test_the_middle_slice_is_large_enough_to_see() -> None:
    array = np.zeros((4, 6, 8))
    array[2, 0, 7] = 1  # at the upper left of a picture of rows
    drawn = middle_slice(array)
    assert PIXELS / 2 < max(drawn.shape) <= PIXELS
    assert drawn[0, 0] == 1
    assert drawn.sum() == (drawn.shape[1] / 6) ** 2


def test_an_even_picture_is_drawn_too(tmp_path: Path) -> None:
    Preview(tmp_path / "even.png")(torch.ones(3, 3, 1))
    assert np.ptp(imread(tmp_path / "even.png")[..., :3]) == 0
