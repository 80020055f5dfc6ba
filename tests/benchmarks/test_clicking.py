"""The simulated reader, and MONAI Label's graph cut as it is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from clicking.reader import next_click, read
from clicking.rivals import Scribbles
from tests.refinement.balls import LABELS, bad_start, image, place, truth
from verisim.refinement import Click, refine
from verisim.segmentation import Segmentation
from verisim.volume import LabelMap, Volume


def test_nothing_is_clicked_where_nothing_is_wrong() -> None:
    assert next_click(truth(), truth()) is None


def test_a_click_lies_in_the_middle_of_the_largest_error() -> None:
    array = truth().array.copy()
    array[2:5, 2:5, 2:4] = LABELS["front"]
    array[20:25, 2:7, 2:5] = LABELS["back"]
    click = next_click(truth().new(array), truth())
    assert click == Click(place(22, 4, 3), "back", belongs=False)


def test_a_missing_piece_is_said_to_belong() -> None:
    click = next_click(bad_start().label_map, truth())
    assert click is not None
    assert click.belongs
    assert click.label in LABELS


def test_a_reading_starts_with_the_start_and_ends_better() -> None:
    def ours(volume: Volume, start: Segmentation, clicks: Sequence[Click]) -> LabelMap:
        return refine(volume, start, clicks).label_map

    reading = read(image(), bad_start(), truth(), ours, 4)
    assert len(reading.dice) == 5
    assert reading.dice[-1] > reading.dice[0] + 0.05
    assert min(reading.seconds) > 0


@pytest.mark.parametrize("believes", [True, False])
def test_the_rival_gives_a_balls_voxels_what_was_said_of_them(believes: bool) -> None:
    clicks = [Click(place(13, 18, 7), "front"), Click(place(2, 2, 2), "front", belongs=False)]
    found: LabelMap = Scribbles(believes=believes)(image(), bad_start(), clicks)
    assert found.array[13, 18, 7] == LABELS["front"]
    assert found.array[2, 2, 2] != LABELS["front"]
    assert found.shares_grid(truth())


def test_the_rival_draws_a_click_as_a_ball() -> None:
    drawn = Scribbles(radius_mm=2.0)._drawn(truth(), [Click(place(13, 18, 7), "front")], "front")
    near = np.argwhere(drawn)
    millimetres = (near - (13, 18, 7)) * (1, 1, 1.5)
    assert np.linalg.norm(millimetres, axis=1).max() <= 2.0
    assert len(near) > 20
