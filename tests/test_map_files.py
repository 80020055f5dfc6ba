"""Maps as files that other programs open."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from tests.conftest import affine_of
from verisim import files
from verisim.errors import StorageFailed, UnreadableFile
from verisim.fractions import ONE, Fractions, as_fractions
from verisim.map_files import MapFiles, map_files, map_suffix
from verisim.maps import Maps
from verisim.volume import LPS_TO_RAS, Volume

LABELS = ("anterior", "posterior")


@pytest.fixture(params=["straight", "turned"])
def fractions(request: pytest.FixtureRequest) -> Fractions:
    """Numbers from 0 to 1 on an oblique grid, straight or as a turned view of them."""
    values = np.linspace(0, 1, 7 * 6 * 5).reshape(7, 6, 5)
    made = Fractions(as_fractions(values), affine_of((1.0, 1.5, 2.0), (5.0, -8.0, 30.0), 12))
    return made.reoriented("SPR") if request.param == "turned" else made


@pytest.fixture
def maps(fractions: Fractions) -> Maps:
    """A map for each of two labels, and the uncertainty."""
    rest = fractions.new((ONE - fractions.array).astype(np.uint16))
    return Maps(dict(zip(LABELS, (fractions, rest), strict=True)), fractions)


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".nii"])
def test_other_programs_read_numbers_from_0_to_1_in_their_place(
    fractions: Fractions, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"map{suffix}"
    files.write(path, fractions)
    image = sitk.ReadImage(str(path))
    found = sitk.GetArrayFromImage(image).T
    np.testing.assert_allclose(found, fractions.values, atol=1e-7)
    assert (found.min(), found.max()) == (0, 1)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    np.testing.assert_allclose(LPS_TO_RAS @ affine, fractions.affine, atol=1e-4)
    again = files.read(path)
    np.testing.assert_allclose(again.array, fractions.values, atol=1e-7)
    assert again.shares_grid(fractions)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_nifti_keeps_16_bits_and_a_slope(
    fractions: Fractions, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"map{suffix}"
    files.write(path, fractions)
    image = nibabel.load(path)
    assert image.get_data_dtype() == np.uint16
    np.testing.assert_array_equal(image.dataobj.get_unscaled(), fractions.array)
    np.testing.assert_array_equal(image.get_fdata(), fractions.array / ONE)
    np.testing.assert_allclose(image.affine, fractions.affine, atol=1e-5)


def test_a_segmentation_file_holds_no_fractions(fractions: Fractions, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="names no format for a Fractions"):
        files.write(tmp_path / "map.seg.nrrd", fractions)


def test_each_label_has_a_file_of_its_own(maps: Maps, tmp_path: Path) -> None:
    place = map_files(tmp_path / "p.nrrd", tmp_path / "u.nii.gz", LABELS)
    place.write(maps)
    assert {path.name for path in tmp_path.iterdir()} == {
        "p-anterior.nrrd",
        "p-posterior.nrrd",
        "u.nii.gz",
    }
    for label, path in place.probability.items():
        found = files.read(path).array
        np.testing.assert_allclose(found, maps.probability[label].values, atol=1e-7)
    assert set(place.paths) == set(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("probability", "uncertainty", "kinds"),
    [
        (None, None, ()),
        (Path("p.nii"), None, ("probability",)),
        (None, Path("u.nii"), ("uncertainty",)),
        (Path("p.nii"), Path("u.nii"), ("probability", "uncertainty")),
    ],
)
def test_what_has_a_file_is_what_a_segmenter_is_asked_for(
    probability: Path | None, uncertainty: Path | None, kinds: tuple[str, ...]
) -> None:
    assert map_files(probability, uncertainty, LABELS).kinds == kinds


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("left kidney", "right kidney"), ("left_kidney", "right_kidney")),
        (("../../etc", "a/b"), ("etc", "a_b")),
        (("nii.gz", "seg"), ("nii_gz", "seg")),
        (("leber", "Leber", "leber?"), ("leber", "Leber_2", "leber_3")),
        (("肝臓", "腎臓", "label_2"), ("label_1", "label_2", "label_2_3")),
        (("x" * 200, "x" * 199), ("x" * 60, "x" * 60 + "_2")),
        (("a_3", "b", "a", "A"), ("a_3", "b", "a", "A_4")),
        (("a_2", "a"), ("a_2", "a")),
    ],
)
def test_names_of_files_are_safe_and_differ(
    labels: tuple[str, ...], words: tuple[str, ...]
) -> None:
    found = map_files(Path("folder") / "case.1.nii.gz", None, labels).probability
    expected = [Path("folder") / f"case.1-{word}.nii.gz" for word in words]
    assert list(found.values()) == expected
    assert list(found) == list(labels)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [(".nii.gz", ".nii.gz"), (".nii", ".nii"), (".seg.nrrd", ".nrrd"), (".dcm", ".nrrd")],
)
def test_maps_follow_the_format_of_the_label_map_where_it_holds_them(
    suffix: str, expected: str
) -> None:
    assert map_suffix(suffix) == expected


def test_a_disk_that_refuses_leaves_nothing_half_written(maps: Maps, tmp_path: Path) -> None:
    (tmp_path / "p-posterior.nii").mkdir()
    with pytest.raises(StorageFailed):
        map_files(tmp_path / "p.nii", None, LABELS).write(maps)
    assert {path.name for path in tmp_path.iterdir()} == {"p-anterior.nii", "p-posterior.nii"}


def test_nothing_wanted_is_nothing_written(maps: Maps, tmp_path: Path) -> None:
    MapFiles().write(maps)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(maps.uncertainty, Volume)
