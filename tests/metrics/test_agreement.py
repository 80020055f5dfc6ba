"""Two label maps compared label by label."""

import numpy as np
import pytest

from verisim.errors import BadGeometry, BadInput
from verisim.metrics import compare, dice, hausdorff95_mm, surface_dice
from verisim.volume import LabelMap


@pytest.fixture
def a_moved_label_map(a_label_map: LabelMap) -> LabelMap:
    return a_label_map.apply(lambda array: np.roll(array, 1, axis=1))


def test_a_label_map_agrees_perfectly_with_itself(a_label_map: LabelMap) -> None:
    agreements = compare(a_label_map, a_label_map)
    assert [agreement.label for agreement in agreements] == ["anterior", "posterior"]
    for agreement in agreements:
        assert (agreement.dice, agreement.hausdorff95_mm, agreement.surface_dice) == (1, 0, 1)
        assert agreement.predicted_ml == agreement.truth_ml
        assert agreement.truth_ml == pytest.approx(a_label_map.volumes_ml[agreement.label])


def test_each_label_gets_the_figures_of_its_masks(
    a_label_map: LabelMap, a_moved_label_map: LabelMap
) -> None:
    for agreement in compare(a_moved_label_map, a_label_map, tolerance_mm=1.2):
        masks = (map_.binary(agreement.label) for map_ in (a_moved_label_map, a_label_map))
        found, wanted = masks
        spacing = a_label_map.spacing_mm
        assert agreement.dice == dice(found, wanted)
        assert agreement.hausdorff95_mm == hausdorff95_mm(found, wanted, spacing) == 1.5
        assert agreement.surface_dice == surface_dice(found, wanted, spacing, 1.2) < 1


def test_labels_are_matched_by_name_not_by_value(a_label_map: LabelMap) -> None:
    values = np.array([0, 20, 10], np.uint8)
    renumbered = LabelMap(
        values[a_label_map.array], a_label_map.affine, {"posterior": 10, "anterior": 20}
    )
    assert compare(renumbered, a_label_map) == compare(a_label_map, a_label_map)


def test_label_maps_on_different_grids_are_refused(a_label_map: LabelMap) -> None:
    affine = a_label_map.affine.copy()
    affine[0, 3] += 1
    with pytest.raises(BadGeometry, match="do not share a grid"):
        compare(a_label_map.new(a_label_map.array, affine), a_label_map)
    with pytest.raises(BadGeometry):
        compare(a_label_map.cropped((slice(1, None), slice(None), slice(None))), a_label_map)


def test_a_prediction_that_lacks_a_label_of_the_truth_is_refused(a_label_map: LabelMap) -> None:
    lacking = LabelMap(a_label_map.array, a_label_map.affine, {"anterior": 1})
    with pytest.raises(BadInput, match="posterior"):
        compare(lacking, a_label_map)
