"""DICOM series read like SimpleITK's reader says, and irregular ones are told."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset

from verisim import files
from verisim.errors import (
    BadSeries,
    NotFound,
    SeveralSeries,
    UnreadableFile,
    UnsupportedVolume,
    VerisimError,
)
from verisim.volume import Volume

from .conftest import AFFINES

Written = Callable[..., Path]


def simple_itk(folder: Path) -> Volume:
    """The series as SimpleITK finds, sorts and reads it."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Volume(sitk.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine)


def assert_same(found: Volume, wanted: Volume) -> None:
    np.testing.assert_array_equal(found.array, wanted.array)
    np.testing.assert_allclose(found.affine, wanted.affine, atol=1e-6)


@pytest.mark.parametrize("affine", AFFINES)
def test_a_series_reads_as_simpleitk_says(a_series: Written, affine: str) -> None:
    folder = a_series(affine=AFFINES[affine])
    assert_same(files.read(folder), simple_itk(folder))


@pytest.mark.parametrize("affine", ["identity", "anisotropic", "oblique"])
def test_a_series_lies_where_it_was_put(a_series: Written, affine: str) -> None:
    volume = files.read(a_series(affine=AFFINES[affine]))
    np.testing.assert_allclose(volume.affine, AFFINES[affine], atol=1e-6)


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "ct_head_ge_ct8800_64px",
        "ct_siemens_biograph_j2k",
        "hippocampus_crop_A",
        "mr_t1post_siemens_espree_oblique",
    ],
)
def test_a_real_series_reads_as_simpleitk_says(real_data: Path, name: str) -> None:
    folder = real_data / "dicom" / name
    assert_same(files.read(folder), simple_itk(folder))


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # these files are broken on purpose
@pytest.mark.filterwarnings("ignore::DeprecationWarning:pydicom")  # so are their folders' indexes
def test_every_kind_of_dicom_file_reads_or_is_told(real_data: Path) -> None:
    paths = [p for p in (real_data / "dicom" / "transfer_syntaxes").rglob("*") if p.is_file()]
    read, told = [], []
    for path in paths:
        for reader in (files.read, files.read_label_map):
            try:
                read.append(reader(path))
            except VerisimError as error:
                told.append(error)
    assert len(read) > 60
    assert all(error.message and error.remedy for error in told)


def test_rescaled_intensities_are_read(a_series: Written) -> None:
    def rescale(n: int, header: FileDataset) -> None:
        header.RescaleSlope, header.RescaleIntercept = "2", "-1024"

    plain = files.read(a_series(name="plain")).array.astype(int)
    np.testing.assert_array_equal(files.read(a_series(rescale)).array, plain * 2 - 1024)


def test_slices_scaled_each_their_own_way_are_read_right(a_series: Written) -> None:
    def rescale(n: int, header: FileDataset) -> None:
        header.RescaleSlope, header.RescaleIntercept = str(1 + n / 4), str(-500 * n)

    plain = files.read(a_series(name="plain")).array
    n = np.arange(10)
    found = files.read(a_series(rescale)).array
    np.testing.assert_allclose(found, plain * (1 + n / 4) - 500 * n, rtol=1e-6)


@pytest.mark.parametrize("names", [(3,), (3, 4), (1, 6)])
def test_missing_slices_are_told(a_series: Written, names: tuple[int, ...]) -> None:
    with pytest.raises(BadSeries, match=r"Missing slice\(s\) between z=.* and z=.* mm"):
        files.read(a_series(leave_out=names))


def test_the_place_of_a_missing_slice_is_told(a_series: Written) -> None:
    folder = a_series(leave_out=(3,), affine=np.eye(4))
    with pytest.raises(BadSeries, match=r"between z=2\.00 and z=4\.00 mm"):
        files.read(folder)


def test_duplicate_slices_are_told(a_series: Written) -> None:
    def copy(n: int, header: FileDataset) -> None:
        if n == 5:
            header.ImagePositionPatient = [0, 0, 4]

    with pytest.raises(BadSeries, match=r"Duplicate slices: .*dcm both lie at z=4\.00 mm"):
        files.read(a_series(copy, affine=np.eye(4)))


@pytest.mark.parametrize("degrees", [1, 15, -25])
def test_a_tilted_gantry_is_told_with_its_angle(a_series: Written, degrees: float) -> None:
    def tilt(n: int, header: FileDataset) -> None:
        header.ImagePositionPatient = [0, round(n * np.tan(np.radians(degrees)), 8), n]

    with pytest.raises(BadSeries, match=rf"gantry was tilted.* {abs(degrees)}\.0°"):
        files.read(a_series(tilt, affine=np.eye(4)))


def test_slices_turned_against_each_other_are_told(a_series: Written) -> None:
    def turn(n: int, header: FileDataset) -> None:
        if n == 5:
            header.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    with pytest.raises(BadSeries, match="turned against each other"):
        files.read(a_series(turn))


def test_slices_of_several_sizes_are_told(a_series: Written) -> None:
    def shrink(n: int, header: FileDataset) -> None:
        if n == 5:
            header.Rows, header.PixelData = 4, header.PixelData[: 4 * 9 * 2]

    with pytest.raises(BadSeries, match=r"\(9, 4\)"):
        files.read(a_series(shrink))


def test_a_slice_moved_sideways_is_told(a_series: Written) -> None:
    def move(n: int, header: FileDataset) -> None:
        header.ImagePositionPatient = [2 if n == 5 else 0, 0, n]

    with pytest.raises(BadSeries, match=r"lies 2\.00 mm beside its place"):
        files.read(a_series(move, affine=np.eye(4)))


def test_the_noise_of_real_positions_is_borne(a_series: Written) -> None:
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, (10, 3))

    def shake(n: int, header: FileDataset) -> None:
        header.ImagePositionPatient = [round(x, 4) for x in [0, 0, n] + noise[n]]

    volume = files.read(a_series(shake, affine=np.eye(4)))
    assert volume.spacing_mm[2] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
)
def test_a_series_without_a_place_is_told(a_series: Written, keyword: str) -> None:
    with pytest.raises(BadSeries, match="does not say where it lies"):
        files.read(a_series(lambda n, header: delattr(header, keyword)))


def two_series(a_series: Written) -> Path:
    folder = a_series()
    for path in a_series(name="other").iterdir():
        path.rename(folder / f"other_{path.name}")
    return folder


def test_a_folder_with_several_series_asks_which(a_series: Written) -> None:
    folder = two_series(a_series)
    with pytest.raises(SeveralSeries, match="2 series") as raised:
        files.read(folder)
    for series in files.series_in(folder):
        assert f"{series.uid} (T1 oblique, 10 files)" in str(raised.value)
        assert (series.modality, series.slices) == ("MR", 10)
        assert files.read(folder, series.uid).spatial_shape == (9, 8, 10)


def test_a_series_that_is_not_there_is_told(a_series: Written) -> None:
    with pytest.raises(NotFound, match=r"has no series 1\.2\.3"):
        files.read(two_series(a_series), "1.2.3")


def test_other_files_in_the_folder_are_ignored(a_series: Written) -> None:
    folder = a_series()
    (folder / "README.txt").write_text("dear colleague")
    (folder / "empty.dcm").touch()
    (folder / "more").mkdir()
    assert files.read(folder).spatial_shape == (9, 8, 10)


def test_a_folder_without_dicom_is_told(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("dear colleague")
    with pytest.raises(UnreadableFile, match="holds no DICOM image"):
        files.read(tmp_path)


def test_one_slice_is_a_volume(a_series: Written) -> None:
    path = sorted(a_series().iterdir())[0]
    volume = files.read(path)
    assert volume.spatial_shape == (9, 8, 1)
    np.testing.assert_allclose(volume.spacing_mm, (0.9, 1.1, 2.5), atol=1e-6)


def test_colours_are_refused(a_series: Written) -> None:
    def colour(n: int, header: FileDataset) -> None:
        header.SamplesPerPixel, header.PhotometricInterpretation = 3, "RGB"
        header.PlanarConfiguration, header.PixelData = 0, header.PixelData * 3

    with pytest.raises(UnsupportedVolume, match="no grey image"):
        files.read(a_series(colour))


def test_many_frames_in_one_file_are_refused(a_series: Written) -> None:
    def stack(n: int, header: FileDataset) -> None:
        header.NumberOfFrames, header.PixelData = 2, header.PixelData * 2

    with pytest.raises(UnsupportedVolume, match="2 frames in one file"):
        files.read(a_series(stack))


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # it tells of cut identifiers, too
@pytest.mark.parametrize("size", [140, 400, -1])
def test_a_truncated_slice_is_told(a_series: Written, size: int) -> None:
    folder = a_series()
    path = folder / "4.dcm"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(VerisimError, match=r"4\.dcm|Missing slice"):
        files.read(folder)


def test_pixels_that_do_not_decode_are_told(a_series: Written) -> None:
    folder = a_series()
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        header.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        header.PixelData = pydicom.encaps.encapsulate([b"no picture" * 9])
        header["PixelData"].is_undefined_length = True
        header.save_as(path)
    with pytest.raises(UnreadableFile, match="cannot be decoded"):
        files.read(folder)


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # it tells of the damage, too
def test_any_damaged_byte_gives_a_volume_or_an_error_of_ours(a_series: Written) -> None:
    path = sorted(a_series().iterdir())[0]
    good, told = path.read_bytes(), 0
    for position in range(0, len(good), 3):
        damaged = bytearray(good)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert files.read(path).array.size > 0
        except VerisimError:
            told += 1
    assert told > 50
