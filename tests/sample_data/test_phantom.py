"""The sample data is what the script makes, and its three layouts are one volume."""

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

SAMPLE_DATA = Path(__file__).parents[2] / "sample-data"
SCRIPT = SAMPLE_DATA / "make_phantom.py"


@pytest.fixture(scope="module")
def a_new_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script writes today."""
    return run_script(tmp_path_factory.mktemp("sample-data"))


def run_script(folder: Path, *options: str) -> Path:
    command = [sys.executable, str(SCRIPT), str(folder), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


def written(folder: Path) -> list[Path]:
    """What the script makes; the synthetic cases beside it come from elsewhere."""
    suffixes = (".gz", ".dcm")
    files = (path for path in folder.rglob("*") if path.name.endswith(suffixes))
    found = (path.relative_to(folder) for path in files)
    return sorted(path for path in found if not path.parts[0].startswith("synthetic"))


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def test_the_script_makes_the_files_that_ship(a_new_run: Path) -> None:
    assert written(a_new_run) == written(SAMPLE_DATA)
    assert len(written(a_new_run)) == 4 + 36


def test_every_volume_that_ships_is_what_the_script_draws(a_new_run: Path) -> None:
    for path in written(a_new_run):
        if path.suffix == ".gz":  # packed bytes differ between versions of zlib
            assert np.array_equal(voxels(a_new_run / path), voxels(SAMPLE_DATA / path)), path
            affines = [nibabel.load(root / path).affine for root in (a_new_run, SAMPLE_DATA)]
            assert np.array_equal(*affines), path


def test_every_slice_that_ships_is_the_script_s_byte_for_byte(a_new_run: Path) -> None:
    slices = [path for path in written(a_new_run) if path.suffix == ".dcm"]
    assert slices
    for path in slices:
        assert (a_new_run / path).read_bytes() == (SAMPLE_DATA / path).read_bytes(), path


def test_another_seed_draws_another_phantom(a_new_run: Path, tmp_path: Path) -> None:
    other = run_script(tmp_path, "--seed", "1")
    for name in ("image.nii.gz", "label.nii.gz"):
        first, second = (voxels(root / "phantom" / name) for root in (a_new_run, other))
        assert (first != second).any()


def test_the_studies_are_the_phantom() -> None:
    for study, phantom in (
        ("phantom_001.nii.gz", "image.nii.gz"),
        ("labels/final/phantom_001.nii.gz", "label.nii.gz"),
    ):
        copy = (SAMPLE_DATA / "studies" / study).read_bytes()
        assert copy == (SAMPLE_DATA / "phantom" / phantom).read_bytes()


def test_image_and_label_share_a_1_mm_ras_grid() -> None:
    image, label = (
        nibabel.load(SAMPLE_DATA / "phantom" / f"{n}.nii.gz") for n in ("image", "label")
    )
    assert image.shape == label.shape == (36, 50, 36)
    assert np.array_equal(image.affine, label.affine)
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    assert np.array_equal(image.header.get_zooms(), (1, 1, 1))


def test_the_labels_have_the_size_and_order_of_a_hippocampus() -> None:
    label = voxels(SAMPLE_DATA / "phantom" / "label.nii.gz")
    assert set(np.unique(label)) == {0, 1, 2}
    for value in (1, 2):
        assert 1000 < (label == value).sum() < 2500  # mm³
    front, back = (np.argwhere(label == value)[:, 1] for value in (1, 2))
    assert front.min() > back.max()


def test_grey_lies_between_fluid_and_white_matter() -> None:
    image, label = (voxels(SAMPLE_DATA / "phantom" / f"{n}.nii.gz") for n in ("image", "label"))
    dark, bright = np.percentile(image, (1, 95))
    for value in (1, 2):
        assert 2 * dark < image[label == value].mean() < 0.7 * bright


def test_the_series_lies_on_the_nifti_voxel_for_voxel() -> None:
    reader = SimpleITK.ImageSeriesReader()
    folder = str(SAMPLE_DATA / "dicom" / "phantom")
    names = reader.GetGDCMSeriesFileNames(folder)
    assert len(reader.GetGDCMSeriesIDs(folder)) == 1
    reader.SetFileNames(names)
    series = SimpleITK.DICOMOrient(reader.Execute(), "LPS")
    nifti = SimpleITK.ReadImage(str(SAMPLE_DATA / "phantom" / "image.nii.gz"))
    nifti = SimpleITK.DICOMOrient(nifti, "LPS")
    assert series.GetOrigin() == pytest.approx(nifti.GetOrigin(), abs=1e-6)
    assert series.GetSpacing() == pytest.approx(nifti.GetSpacing(), abs=1e-6)
    assert series.GetDirection() == pytest.approx(nifti.GetDirection(), abs=1e-6)
    first, second = (SimpleITK.GetArrayFromImage(volume) for volume in (series, nifti))
    assert np.array_equal(first, second)


def test_the_sample_data_stays_small() -> None:
    total = sum((SAMPLE_DATA / path).stat().st_size for path in written(SAMPLE_DATA))
    assert total < 600_000
