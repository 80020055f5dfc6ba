"""DICOM segmentations: read by highdicom, they lie where the label map lies."""

from collections.abc import Callable
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from verisim import files
from verisim.errors import BadGeometry, BadInput, BadSeries, SeveralSeries, UnsupportedVolume
from verisim.volume import LabelMap

from .conftest import AFFINES

Written = Callable[..., Path]
LABELS = {"left hippocampus": 3, "absent": 4, "tumour": 9}
REAL = ["hippocampus_crop_A", "mr_t1post_siemens_espree_oblique"]


def crooked(folder: Path) -> LabelMap:
    """Two labels on the voxels of a series."""
    volume = files.read(folder)
    array = np.zeros(volume.spatial_shape, np.uint8)
    array[1:4, 2:5, 3:6] = 3
    array[6, 1:7, 4:8] = 9
    return LabelMap(array, volume.affine, LABELS)


def check_with_highdicom(path: Path, label_map: LabelMap) -> None:
    """Compare each frame of the file, found by highdicom, with its slice."""
    segmentation = highdicom.seg.segread(path)
    described = {d.SegmentLabel: d.SegmentNumber for d in segmentation.SegmentSequence}
    assert described == {name: n for n, name in enumerate(label_map.labels, start=1)}
    lps_to_voxel = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ label_map.affine)
    voxels = 0
    for n, frame in enumerate(segmentation.PerFrameFunctionalGroupsSequence):
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        i, j, k = (lps_to_voxel @ [*position, 1])[:3]
        assert (i, j, k) == pytest.approx((0, 0, round(k)), abs=1e-3)
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        wanted = label_map.array[:, :, round(k)] == list(label_map.labels.values())[number - 1]
        np.testing.assert_array_equal(segmentation.pixel_array[n].T > 0, wanted)
        voxels += wanted.sum()
    assert voxels == (label_map.array > 0).sum()


@pytest.mark.parametrize("affine", ["identity", "anisotropic", "oblique"])
def test_highdicom_finds_each_segment_on_its_voxels(
    a_series: Written, tmp_path: Path, affine: str
) -> None:
    folder = a_series(affine=AFFINES[affine])
    files.write(tmp_path / "s.dcm", crooked(folder), reference=folder)
    check_with_highdicom(tmp_path / "s.dcm", crooked(folder))


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_a_segmentation_of_a_real_series_lies_on_its_voxels(
    real_data: Path, tmp_path: Path, name: str
) -> None:
    folder = real_data / "dicom" / name
    files.write(tmp_path / "s.dcm", crooked(folder), reference=folder)
    check_with_highdicom(tmp_path / "s.dcm", crooked(folder))


@pytest.mark.data
def test_a_series_whose_slices_have_no_names_is_told(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "dicom" / "ct_siemens_biograph_j2k"
    with pytest.raises(BadSeries, match="0 different SOPInstanceUIDs"):
        files.write(tmp_path / "s.dcm", crooked(folder), reference=folder)


def test_a_label_map_written_and_read_is_equal(a_series: Written, tmp_path: Path) -> None:
    folder = a_series()
    files.write(tmp_path / "s.dcm", crooked(folder), reference=folder)
    found = files.read_label_map(tmp_path / "s.dcm")
    assert found.labels == {"left hippocampus": 1, "absent": 2, "tumour": 3}
    named = files.read_label_map(tmp_path / "s.dcm", LABELS)
    assert named.labels == LABELS
    again = named.resampled_like(crooked(folder)).array
    np.testing.assert_array_equal(again, crooked(folder).array)


def test_an_empty_label_map_is_written_with_its_labels(a_series: Written, tmp_path: Path) -> None:
    folder = a_series()
    empty = crooked(folder).apply(np.zeros_like)
    files.write(tmp_path / "s.dcm", empty, reference=folder)
    found = files.read_label_map(tmp_path / "s.dcm")
    assert list(found.labels) == list(LABELS)
    assert not found.array.any()
    assert found.shares_grid(empty)


def test_a_label_map_that_was_turned_is_turned_back(a_series: Written, tmp_path: Path) -> None:
    folder = a_series(affine=AFFINES["anisotropic"])
    files.write(tmp_path / "s.dcm", crooked(folder).reoriented("SPL"), reference=folder)
    check_with_highdicom(tmp_path / "s.dcm", crooked(folder))


def test_it_says_what_it_shows_and_who_made_it(a_series: Written, tmp_path: Path) -> None:
    folder = a_series()
    files.write(tmp_path / "s.dcm", crooked(folder), {"tumour": (1, 0, 0)}, folder)
    found = pydicom.dcmread(tmp_path / "s.dcm")
    source = pydicom.dcmread(next(folder.iterdir()))
    hippocampus, _, tumour = found.SegmentSequence
    assert hippocampus.SegmentedPropertyTypeCodeSequence[0].CodeValue == "5366008"
    assert tumour.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    assert tumour.SegmentAlgorithmName == "Verisim"
    # red is L* 53, a* 80, b* 67
    red = np.array(tumour.RecommendedDisplayCIELabValue) / 65535 * [100, 255, 255] - [0, 128, 128]
    assert red == pytest.approx([53.2, 80.1, 67.2], abs=0.1)
    assert found.StudyInstanceUID == source.StudyInstanceUID
    assert found.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert found.PatientName == "Nobody^One"


def test_an_anonymized_series_is_no_obstacle(a_series: Written, tmp_path: Path) -> None:
    def anonymize(n: int, header: pydicom.Dataset) -> None:
        del header.PatientBirthDate, header.PatientName, header.StudyID

    folder = a_series(anonymize)
    files.write(tmp_path / "s.dcm", crooked(folder), reference=folder)
    check_with_highdicom(tmp_path / "s.dcm", crooked(folder))


def test_a_segmentation_without_its_series_is_refused(
    a_label_map: LabelMap, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="belongs to a DICOM series"):
        files.write(tmp_path / "s.dcm", a_label_map)
    assert list(tmp_path.iterdir()) == []


def test_a_label_map_of_another_grid_is_refused(
    a_label_map: LabelMap, a_series: Written, tmp_path: Path
) -> None:
    with pytest.raises(BadGeometry, match="does not lie on the voxels"):
        files.write(tmp_path / "s.dcm", a_label_map, reference=a_series())


def test_of_several_series_one_must_be_named(a_series: Written, tmp_path: Path) -> None:
    folder = a_series()
    label_map = crooked(folder)
    for path in a_series(name="other").iterdir():
        path.rename(folder / f"other_{path.name}")
    with pytest.raises(SeveralSeries):
        files.write(tmp_path / "s.dcm", label_map, reference=folder)
    uid = files.series_in(folder)[0].uid
    files.write(tmp_path / "s.dcm", label_map, reference=folder, series=uid)
    check_with_highdicom(tmp_path / "s.dcm", label_map)


def test_a_segmentation_beside_its_images_is_no_second_series(a_series: Written) -> None:
    folder = a_series()
    files.write(folder / "s.dcm", crooked(folder), reference=folder)
    assert files.read(folder).spatial_shape == (9, 8, 10)
    with pytest.raises(UnsupportedVolume, match="is a segmentation, not an image"):
        files.read(folder / "s.dcm")


@pytest.mark.data
def test_segmentations_of_others_are_read_or_told(real_data: Path) -> None:
    folder = real_data / "dicom" / "seg"
    assert files.read_label_map(folder / "seg_image_ct_binary.dcm").array.any()
    assert files.read_label_map(folder / "seg_image_ct_binary_single_frame.dcm").array.any()
    with pytest.raises(UnsupportedVolume, match="overlap"):
        files.read_label_map(folder / "seg_image_ct_binary_overlap.dcm")
    with pytest.raises(UnsupportedVolume, match="no binary segmentation"):
        files.read_label_map(folder / "seg_image_ct_true_fractional.dcm")
