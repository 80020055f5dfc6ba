"""What is written and read is equal."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from verisim import files
from verisim.errors import BadGeometry, BadInput, UnreadableFile, UnsupportedVolume
from verisim.volume import LabelMap, Volume

FORMATS = (".nii", ".nii.gz", ".nrrd")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "f4", "f8", ">i2", ">f4"])
def test_a_volume_written_and_read_is_equal(
    a_placed_volume: Volume, tmp_path: Path, suffix: str, kind: str
) -> None:
    volume = a_placed_volume.new(a_placed_volume.array.astype(kind))
    files.write(tmp_path / f"v{suffix}", volume)
    found = files.read(tmp_path / f"v{suffix}")
    np.testing.assert_array_equal(found.array, volume.array)
    assert found.array.dtype == np.dtype(kind).newbyteorder("=")
    assert found.shares_grid(volume)
    assert [p.name for p in tmp_path.iterdir()] == [f"v{suffix}"]


@pytest.mark.parametrize("suffix", [*FORMATS, ".seg.nrrd"])
def test_a_label_map_written_and_read_keeps_its_values(
    a_placed_label_map: LabelMap, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"labels{suffix}"
    files.write(path, a_placed_label_map)
    found = files.read_label_map(path, a_placed_label_map.labels)
    np.testing.assert_array_equal(found.array, a_placed_label_map.array)
    assert found.array.dtype == np.uint8
    assert found.labels == a_placed_label_map.labels
    assert found.shares_grid(a_placed_label_map)


def test_names_live_in_the_segmentation_file(a_placed_label_map: LabelMap, tmp_path: Path) -> None:
    files.write(tmp_path / "s.seg.nrrd", a_placed_label_map)
    assert files.read_label_map(tmp_path / "s.seg.nrrd").labels == a_placed_label_map.labels


def test_values_without_names_are_named_by_their_number(
    a_placed_label_map: LabelMap, tmp_path: Path
) -> None:
    files.write(tmp_path / "s.nii.gz", a_placed_label_map)
    found = files.read_label_map(tmp_path / "s.nii.gz")
    assert found.labels == {"label_2": 2, "label_7": 7}


def test_labels_beyond_255_are_kept(a_label_map: LabelMap, tmp_path: Path) -> None:
    wide = LabelMap(a_label_map.array.astype(np.int64) * 1000, a_label_map.affine)
    files.write(tmp_path / "s.nii.gz", wide)
    found = files.read_label_map(tmp_path / "s.nii.gz")
    assert found.array.dtype == np.uint16
    np.testing.assert_array_equal(found.array, wide.array)


def test_whole_numbers_stored_as_floats_are_labels(a_label_map: LabelMap, tmp_path: Path) -> None:
    files.write(tmp_path / "s.nii", Volume(a_label_map.array.astype(np.float32), np.eye(4)))
    found = files.read_label_map(tmp_path / "s.nii")
    np.testing.assert_array_equal(found.array, a_label_map.array)
    assert found.array.dtype == np.uint8


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan])
def test_an_image_is_no_label_map(tmp_path: Path, value: float) -> None:
    files.write(tmp_path / "s.nii", Volume(np.full((2, 3, 4), value), np.eye(4)))
    with pytest.raises(UnsupportedVolume, match=rf"s\.nii.*not {value:g}"):
        files.read_label_map(tmp_path / "s.nii")


@pytest.mark.parametrize("kind", ["?", "f2", "i8", "u8"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_types_that_few_readers_know_become_common_ones(
    tmp_path: Path, suffix: str, kind: str
) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    files.write(tmp_path / f"v{suffix}", Volume(array, np.eye(4)))
    found = files.read(tmp_path / f"v{suffix}").array
    np.testing.assert_array_equal(found, array)
    assert found.dtype.itemsize <= 4


@pytest.mark.parametrize("suffix", FORMATS)
def test_several_channels_are_not_written_as_one_volume(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UnsupportedVolume, match="not 2 channels"):
        files.write(tmp_path / f"v{suffix}", Volume(np.zeros((2, 3, 4, 5)), np.eye(4)))
    assert list(tmp_path.iterdir()) == []


def test_a_written_nifti_gives_its_place_twice_the_same(
    a_placed_volume: Volume, tmp_path: Path
) -> None:
    files.write(tmp_path / "v.nii.gz", a_placed_volume)
    image = nibabel.load(tmp_path / "v.nii.gz")
    for affine, code in (image.get_qform(coded=True), image.get_sform(coded=True)):
        assert code == 1
        np.testing.assert_allclose(affine, a_placed_volume.affine, atol=1e-5)


def test_a_sheared_volume_cannot_be_made_and_so_not_written() -> None:
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    with pytest.raises(BadGeometry, match=r"sheared.*73\.3°"):
        LabelMap(np.zeros((3, 3, 3), np.uint8), sheared, {"a": 1})


@pytest.mark.parametrize("name", ["v.png", "v", "v.nhdr", "v.img", "v.seg.nrrd", "v.dcm"])
def test_a_volume_is_written_only_under_names_of_its_formats(
    a_volume: Volume, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UnreadableFile, match=r"names no format for a Volume.*\.nii\.gz"):
        files.write(tmp_path / name, a_volume)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "a\nSegment9_ID:=x", "Rückenmark"])
def test_a_name_that_breaks_the_header_is_refused(
    a_label_map: LabelMap, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadInput, match="label name"):
        files.write(tmp_path / "s.seg.nrrd", LabelMap(a_label_map.array, np.eye(4), {name: 1}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "suffix", "stem"),
    [
        ("a.nii.gz", ".nii.gz", "a"),
        ("A.NII.GZ", ".nii.gz", "A"),
        ("a.b.nii", ".nii", "a.b"),
        ("a.seg.nrrd", ".seg.nrrd", "a"),
        ("a.b.nrrd", ".nrrd", "a.b"),
        ("a", "", "a"),
    ],
)
def test_double_suffixes_count_as_one(name: str, suffix: str, stem: str) -> None:
    assert files.suffix_of(Path("x") / name) == suffix
    assert files.stem(Path("x") / name) == stem
