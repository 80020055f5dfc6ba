"""NRRD headers of other programs, and of strangers."""

from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from verisim import files
from verisim.errors import BadGeometry, UnreadableFile, UnsupportedVolume

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
DIRECTIONS = np.diag([1.0, 2.0, 3.0])


def written(path: Path, array: np.ndarray = ARRAY, **fields: object) -> Path:
    header = {"space directions": DIRECTIONS, "space origin": [5.0, 6.0, 7.0]}
    nrrd.write(str(path), array, header | {k.replace("_", " "): v for k, v in fields.items()})
    return path


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("right-anterior-superior", (1, 1, 1)),
        ("RAS", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("LAS", (-1, 1, 1)),
        ("left-posterior-superior", (-1, -1, 1)),
        ("LPS", (-1, -1, 1)),
    ],
)
def test_every_patient_space_becomes_ras(
    tmp_path: Path, space: str, signs: tuple[int, int, int]
) -> None:
    volume = files.read(written(tmp_path / "v.nrrd", space=space))
    np.testing.assert_array_equal(volume.affine[:3, :3], np.diag(signs) @ DIRECTIONS)
    np.testing.assert_array_equal(volume.affine[:3, 3], np.multiply(signs, (5, 6, 7)))
    np.testing.assert_array_equal(volume.array, ARRAY)


def itk_affine(path: Path) -> np.ndarray:
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed", "RAS", "LAS", "LPS"])
@pytest.mark.filterwarnings("ignore:v.nrrd does not say how the patient lies")
def test_every_space_is_understood_as_itk_does(tmp_path: Path, space: str) -> None:
    path = written(tmp_path / "v.nrrd", space=space)
    np.testing.assert_allclose(files.read(path).affine, itk_affine(path), atol=1e-6)


def test_a_space_without_a_patient_is_told(tmp_path: Path) -> None:
    with pytest.warns(files.GeometryWarning, match="does not say how the patient lies"):
        files.read(written(tmp_path / "v.nrrd", space="scanner-xyz"))


def test_a_file_with_spacings_only_is_read_and_told(tmp_path: Path) -> None:
    nrrd.write(str(tmp_path / "v.nrrd"), ARRAY, {"spacings": [1.0, 2.0, 3.0]})
    with pytest.warns(files.GeometryWarning, match="left-posterior-superior is assumed"):
        volume = files.read(tmp_path / "v.nrrd")
    np.testing.assert_allclose(volume.affine, itk_affine(tmp_path / "v.nrrd"))


def test_a_space_of_no_patient_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadGeometry, match="3d-left-handed"):
        files.read(written(tmp_path / "v.nrrd", space="3D-left-handed"))


def test_units_become_millimetres(tmp_path: Path) -> None:
    path = written(tmp_path / "v.nrrd", space="LPS", space_units=["cm", "cm", "cm"])
    assert files.read(path).spacing_mm == (10.0, 20.0, 30.0)


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "v.nrrd", space="LPS", space_units=["inch", "inch", "inch"])
    with pytest.raises(BadGeometry, match="inch"):
        files.read(path)


def with_values(path: Path, count: int, **fields: object) -> Path:
    directions = np.vstack([np.full(3, np.nan), DIRECTIONS])
    return written(
        path, np.stack([ARRAY] * count), space="LPS", space_directions=directions, **fields
    )


def test_an_axis_of_one_value_is_dropped(tmp_path: Path) -> None:
    path = with_values(tmp_path / "v.nrrd", 1, kinds=["list", *["domain"] * 3])
    np.testing.assert_array_equal(files.read(path).array, ARRAY)


def test_colours_are_refused(tmp_path: Path) -> None:
    path = with_values(tmp_path / "v.nrrd", 3, kinds=["RGB-color", *["domain"] * 3])
    with pytest.raises(UnsupportedVolume, match=r"v\.nrrd has 3 values per voxel \(colours"):
        files.read(path)


def test_values_that_are_wanted_are_channels(tmp_path: Path) -> None:
    path = with_values(tmp_path / "v.nrrd", 3, kinds=["list", *["domain"] * 3])
    volume = files.read(path, channels=3)
    np.testing.assert_array_equal(volume.array, np.stack([ARRAY] * 3))
    with pytest.raises(UnsupportedVolume, match="3 values"):
        files.read(path, channels=2)


def layered(path: Path, overlap: bool) -> Path:
    layers = np.zeros((2, 3, 4, 5), np.uint8)
    layers[0, 0] = 1
    layers[1, 0 if overlap else 1] = 1
    directions = np.vstack([np.full(3, np.nan), DIRECTIONS])
    fields: dict[str, object] = {"space": "LPS", "space directions": directions}
    for n in range(2):
        fields |= {
            f"Segment{n}_ID": f"Segment_{n}",
            f"Segment{n}_Name": f"name{n}",
            f"Segment{n}_LabelValue": "1",
            f"Segment{n}_Layer": str(n),
        }
    nrrd.write(str(path), layers, fields)
    # pynrrd writes ASCII only, 3D Slicer UTF-8
    content = path.read_bytes()
    for n, name in enumerate(("Kopf", "Schwänzchen")):
        content = content.replace(f"name{n}".encode(), name.encode())
    path.write_bytes(content)
    return path


def test_segments_in_layers_become_one_label_map(tmp_path: Path) -> None:
    found = files.read_label_map(layered(tmp_path / "s.seg.nrrd", overlap=False))
    assert found.labels == {"Kopf": 1, "Schwänzchen": 2}
    assert found.array[:, 0, 0].tolist() == [1, 2, 0]


def test_segments_that_overlap_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVolume, match="'Schwänzchen' overlaps"):
        files.read_label_map(layered(tmp_path / "s.seg.nrrd", overlap=True))


def with_field(path: Path, field: str, value: str) -> Path:
    """The second segment's field changed from 1."""
    layered(path, overlap=False)
    start = f"Segment1_{field}:="
    old, new = f"{start}1\n".encode(), f"{start}{value}\n".encode()
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


@pytest.mark.parametrize(
    ("field", "value"),
    [("LabelValue", "one"), ("LabelValue", "-1"), ("Layer", ""), ("Layer", "7")],
)
def test_segments_with_broken_numbers_are_told(tmp_path: Path, field: str, value: str) -> None:
    path = with_field(tmp_path / "s.seg.nrrd", field, value)
    with pytest.raises(UnreadableFile, match=r"s\.seg\.nrrd: The (field|segment)"):
        files.read_label_map(path)


def test_a_segment_without_voxels_is_empty(tmp_path: Path) -> None:
    found = files.read_label_map(with_field(tmp_path / "s.seg.nrrd", "LabelValue", "7"))
    assert not found.binary("Schwänzchen").any()


def test_voxels_beside_their_header_are_read(tmp_path: Path) -> None:
    path = written(tmp_path / "v.nhdr", space="LPS")
    np.testing.assert_array_equal(files.read(path).array, ARRAY)


@pytest.mark.parametrize(
    "name",
    ["../secret.raw", "/etc/passwd", "..\\secret.raw", "..", "missing.raw", "LIST", "link.raw"],
)
def test_a_header_cannot_point_at_other_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.raw").write_bytes(ARRAY.tobytes())
    folder = tmp_path / "upload"
    folder.mkdir()
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    written(folder / "v.nhdr", space="LPS", encoding="raw")
    content = (folder / "v.nhdr").read_text().replace("data file: v.raw", f"data file: {name}")
    (folder / "v.nhdr").write_text(content)
    with pytest.raises(UnreadableFile, match="which is no file beside it"):
        files.read(folder / "v.nhdr")


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_each_packing_is_read(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path / "v.nrrd", space="LPS", encoding=encoding)
    np.testing.assert_array_equal(files.read(path).array, ARRAY)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_a_truncated_file_is_told(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path / "v.nrrd", space="LPS", encoding=encoding)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnreadableFile, match=r"v\.nrrd is truncated"):
        files.read(path)


def test_text_named_nrrd_is_told(tmp_path: Path) -> None:
    (tmp_path / "v.nrrd").write_text("dear colleague")
    with pytest.raises(UnreadableFile, match="not begin with the word NRRD"):
        files.read(tmp_path / "v.nrrd")


@pytest.mark.parametrize(
    "header",
    [
        "NRRD0004\n",
        "NRRD0004\nno colon here\n\n",
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 x 4\nencoding: raw\n\n",
        "NRRD0004\ntype: short\ndimension: 2\nsizes: 2 3 4\nencoding: raw\nendian: little\n\n",
        "NRRD0004\ntype: short\ntype: short\n\n",
        "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1 1 1\nencoding: hex\n\nff",
        "NRRD0009\ntype: uchar\ndimension: 3\nsizes: 1 1 1\nencoding: raw\n\nf",
    ],
)
@pytest.mark.filterwarnings("ignore:v.nrrd does not say how the patient lies")
def test_a_broken_header_is_told(tmp_path: Path, header: str) -> None:
    (tmp_path / "v.nrrd").write_bytes(header.encode() + bytes(48 if "2 3 4" in header else 0))
    with pytest.raises(UnreadableFile, match=r"v\.nrrd"):
        files.read(tmp_path / "v.nrrd")


def test_a_promise_of_terabytes_is_refused_without_memory(tmp_path: Path) -> None:
    (tmp_path / "v.nrrd").write_bytes(
        b"NRRD0004\ntype: float\ndimension: 3\nsizes: 90000 90000 900\nencoding: gzip\n"
        b"endian: little\n\n" + bytes(1000)
    )
    with pytest.raises(UnreadableFile, match="promises 29160000000000 bytes"):
        files.read(tmp_path / "v.nrrd")


def test_an_axis_without_voxels_is_told(tmp_path: Path) -> None:
    (tmp_path / "v.nrrd").write_bytes(
        b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 3 0 3\nencoding: raw\n\n"
    )
    with pytest.raises(UnsupportedVolume, match="no voxels"):
        files.read(tmp_path / "v.nrrd")
