"""Files opened by 3D Slicer's own classes lie where the input's voxels lie."""

from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from tests.mrml import TOLERANCE_MM, distance_mm, matrix_of, opened, places
from verisim import files
from verisim.volume import LabelMap, Volume

COLORS = {"left hippocampus": (0.5, 0.25, 1.0), "tail": (0.0, 1.0, 0.0), "absent": (1.0, 1.0, 0.0)}


def test_segments_lie_on_the_voxels_with_names_values_and_colours(
    a_placed_label_map: LabelMap, tmp_path: Path
) -> None:
    files.write(tmp_path / "s.seg.nrrd", a_placed_label_map, COLORS)
    segmentation = opened(tmp_path / "s.seg.nrrd")
    found = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    values = {segment.GetName(): segment.GetLabelValue() for segment in found}
    assert values == a_placed_label_map.labels
    for segment in found:
        assert segment.GetColor() == pytest.approx(COLORS[segment.GetName()], abs=1e-3)
        if segment.GetName() != "absent":
            value = segment.GetLabelValue()
            assert distance_mm(places(segment), a_placed_label_map, value) < TOLERANCE_MM


def test_an_empty_segmentation_keeps_its_names(a_label_map: LabelMap, tmp_path: Path) -> None:
    empty = a_label_map.new(np.zeros_like(a_label_map.array))
    files.write(tmp_path / "s.seg.nrrd", empty)
    segmentation = opened(tmp_path / "s.seg.nrrd")
    names = [
        segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())
    ]
    assert names == ["anterior", "posterior"]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_a_label_map_opened_as_segmentation_lies_on_the_voxels(
    a_placed_label_map: LabelMap, tmp_path: Path, suffix: str
) -> None:
    files.write(tmp_path / f"s{suffix}", a_placed_label_map)
    segmentation = opened(tmp_path / f"s{suffix}")
    found = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    assert sorted(segment.GetLabelValue() for segment in found) == [2, 7]
    for segment in found:
        value = segment.GetLabelValue()
        assert distance_mm(places(segment), a_placed_label_map, value) < TOLERANCE_MM


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd"])
def test_a_volume_opened_in_slicer_has_our_affine_and_voxels(
    a_placed_volume: Volume, tmp_path: Path, suffix: str
) -> None:
    files.write(tmp_path / f"v{suffix}", a_placed_volume)
    node, storage = slicer.vtkMRMLScalarVolumeNode(), slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(tmp_path / f"v{suffix}"))
    assert storage.ReadData(node) == 1
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    np.testing.assert_allclose(matrix_of(matrix), a_placed_volume.affine, atol=1e-4)
    values = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())
    np.testing.assert_array_equal(
        values.reshape(a_placed_volume.spatial_shape, order="F"), a_placed_volume.array
    )


def test_a_segmentation_saved_by_slicer_is_read_with_its_names(
    a_placed_label_map: LabelMap, tmp_path: Path
) -> None:
    files.write(tmp_path / "ours.seg.nrrd", a_placed_label_map)
    node, storage = slicer.vtkMRMLSegmentationNode(), slicer.vtkMRMLSegmentationStorageNode()
    scene = slicer.vtkMRMLScene()
    scene.AddNode(node)
    storage.SetFileName(str(tmp_path / "ours.seg.nrrd"))
    assert storage.ReadData(node) == 1
    storage.SetFileName(str(tmp_path / "theirs.seg.nrrd"))
    assert storage.WriteData(node) == 1
    found = files.read_label_map(tmp_path / "theirs.seg.nrrd")
    assert found.labels == a_placed_label_map.labels
    # 3D Slicer may crop to the segments: the same voxels of the patient all the same
    np.testing.assert_array_equal(
        found.resampled_like(a_placed_label_map).array, a_placed_label_map.array
    )
