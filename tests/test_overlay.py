"""The picture that a person checks first."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from tests.conftest import affine_of
from verisim.errors import StorageFailed
from verisim.overlay import draw
from verisim.volume import LabelMap, Volume

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
COLORS = {"anterior": RED, "posterior": BLUE}


def picture(
    path: Path, volume: Volume, label_map: LabelMap, truth: LabelMap | None = None
) -> np.ndarray:
    """Draw and read back: (rows, columns, 3) in 0..1."""
    draw(path, volume, label_map, COLORS, truth)
    return np.asarray(matplotlib.image.imread(path))[..., :3]


def a_cube(spacing_mm: tuple[float, float, float], degrees: float = 0) -> tuple[Volume, LabelMap]:
    """A labelled cube of 24 mm, whatever the voxels are, in an empty volume of 48 mm."""
    shape = tuple(round(48 / s) for s in spacing_mm)
    array = np.zeros(shape, np.uint8)
    array[tuple(slice(n // 4, 3 * n // 4) for n in shape)] = 1
    affine = affine_of(spacing_mm, (10, -20, 30), degrees)
    labels = LabelMap(array, affine, {"anterior": 1, "posterior": 2})
    return Volume(np.zeros(shape, np.float32), affine), labels


def red(image: np.ndarray) -> np.ndarray:
    """Where the label is drawn; the legend at the bottom does not count."""
    reddish: np.ndarray = (image[..., 0] > 0.3) & (image[..., 1] < 0.1) & (image[..., 2] < 0.1)
    reddish[int(len(image) * 0.93) :] = False
    return reddish


def panels(mask: np.ndarray) -> list[np.ndarray]:
    """The runs of columns in which something is drawn."""
    columns = mask.any(axis=0).astype(int)
    starts, ends = np.flatnonzero(np.diff(columns) == 1), np.flatnonzero(np.diff(columns) == -1)
    return [mask[:, a + 1 : b + 1] for a, b in zip(starts, ends, strict=True)]


@pytest.mark.parametrize("degrees", [0, 15])
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.5, 1.0, 3.0), (3.0, 0.75, 1.5)])
def test_three_panels_show_a_cube_as_squares_whatever_the_voxels_are(
    tmp_path: Path, spacing_mm: tuple[float, float, float], degrees: float
) -> None:
    volume, label_map = a_cube(spacing_mm, degrees)
    shown = panels(red(picture(tmp_path / "p.png", volume, label_map)))
    assert len(shown) == 3
    for panel in shown:
        height, width = panel.any(axis=1).sum(), panel.any(axis=0).sum()
        assert height == pytest.approx(width, rel=0.06)
        assert height > 50


def test_left_is_on_the_right_and_the_front_is_up(tmp_path: Path) -> None:
    """A label in the left, front and upper corner of the patient."""
    array = np.zeros((30, 30, 30), np.uint8)
    array[3:9, 21:27, 21:27] = 1  # RAS+: left is low X, front is high Y, head is high Z
    label_map = LabelMap(array, np.eye(4), {"anterior": 1})
    dark = Volume(np.zeros((30, 30, 30), np.float32), np.eye(4))
    image = picture(tmp_path / "p.png", dark, label_map)
    third = image.shape[1] / 3
    rows, columns = np.nonzero(red(image))
    for k in range(3):  # sagittal shows the front at the right, the others the patient's left
        inside = (columns >= k * third) & (columns < (k + 1) * third)
        assert (columns[inside].mean() % third) > third / 2
        assert rows[inside].mean() < image.shape[0] / 2


def test_the_picture_is_the_same_for_every_order_of_the_voxels(
    tmp_path: Path, a_volume: Volume, a_label_map: LabelMap
) -> None:
    straight = picture(tmp_path / "a.png", a_volume, a_label_map)
    turned = picture(tmp_path / "b.png", a_volume.reoriented("SPL"), a_label_map.reoriented("IAR"))
    np.testing.assert_array_equal(turned, straight)


def test_both_labels_have_their_colour(
    tmp_path: Path, a_volume: Volume, a_label_map: LabelMap
) -> None:
    image = picture(tmp_path / "p.png", a_volume, a_label_map)
    for channel in (0, 2):
        others = np.delete(image, channel, axis=2).max(axis=2)
        assert (image[..., channel] - others > 0.3).sum() > 1000


def test_the_truth_is_drawn_as_an_outline(
    tmp_path: Path, a_volume: Volume, a_label_map: LabelMap
) -> None:
    dark = a_volume.new(np.zeros_like(a_volume.array))
    without = picture(tmp_path / "a.png", dark, a_label_map)
    with_truth = picture(tmp_path / "b.png", dark, a_label_map, truth=a_label_map)
    white = [(image.min(axis=2) > 0.95).sum() for image in (without, with_truth)]
    assert white[1] > white[0] + 300


def test_one_bright_voxel_does_not_hide_the_rest(
    tmp_path: Path, a_label_map: LabelMap, a_volume: Volume
) -> None:
    array = np.array(a_volume.array)
    array[0, 0, 0] = 1e6
    image = picture(tmp_path / "p.png", a_volume.new(array), a_label_map)
    gray = image[(np.ptp(image, axis=2) < 0.01) & (image[..., 0] > 0.2) & (image[..., 0] < 0.8)]
    assert len(gray) > 10_000


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_an_empty_answer_on_a_constant_volume_is_drawn_too(
    tmp_path: Path, a_volume: Volume, a_label_map: LabelMap, value: float
) -> None:
    flat = a_volume.new(np.full_like(a_volume.array, value))
    nothing = a_label_map.new(np.zeros_like(a_label_map.array))
    assert picture(tmp_path / "p.png", flat, nothing).any()


def test_the_first_channel_is_drawn(
    tmp_path: Path, a_volume: Volume, a_label_map: LabelMap
) -> None:
    single = picture(tmp_path / "a.png", a_volume, a_label_map)
    both = a_volume.new(np.stack([a_volume.array, -a_volume.array]))
    np.testing.assert_array_equal(picture(tmp_path / "b.png", both, a_label_map), single)


def test_many_labels_stay_on_the_picture(tmp_path: Path, a_volume: Volume) -> None:
    labels = {f"a structure {k}": k for k in range(1, 14)}
    array = np.arange(a_volume.array.size).reshape(a_volume.spatial_shape) % 14
    label_map = LabelMap(array.astype(np.uint8), a_volume.affine, labels)
    image = picture(tmp_path / "p.png", a_volume, label_map)
    assert image.shape == (460, 1200, 3)
    assert not image[:, -1].any()  # no name runs over the edge


def test_a_folder_that_is_missing_is_named(
    tmp_path: Path, a_volume: Volume, a_label_map: LabelMap
) -> None:
    with pytest.raises(StorageFailed, match=r"nowhere/p\.png"):
        draw(tmp_path / "nowhere" / "p.png", a_volume, a_label_map, COLORS)
