"""Volumes as files in memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from VerisimLib.grids import Grid, UnreadableVolume, fingerprint, nrrd, read

TYPES = ("u1", "i1", "u2", "i2", "i4", "u4", "f4", "f8")


def turned() -> np.ndarray:
    """Oblique and anisotropic."""
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, c, -s], [0, s, c]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, 1.3, 2.9])
    affine[:3, 3] = (-11.125, 23.7, 1 / 3)
    return affine


FLIPPED = turned() @ np.diag([1.0, -1.0, 1.0, 1.0])
SHEARED = turned() @ np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
AFFINES = pytest.mark.parametrize(
    "affine", [np.eye(4), turned(), FLIPPED], ids=["plain", "oblique", "flipped"]
)


def a_grid(affine: np.ndarray, kind: str = "i2") -> Grid:
    return Grid(np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(kind), affine)


@AFFINES
@pytest.mark.parametrize("kind", TYPES)
def test_what_is_written_is_read(affine: np.ndarray, kind: str) -> None:
    grid = a_grid(affine, kind)
    again = read(nrrd(grid), ".nrrd")
    assert again.array.dtype == grid.array.dtype
    assert np.array_equal(again.array, grid.array)
    assert again.affine == pytest.approx(affine, abs=1e-12)


def test_a_sheared_volume_keeps_its_corners() -> None:
    header = nrrd(a_grid(SHEARED)).split(b"\n\n")[0].decode()
    directions = next(line for line in header.splitlines() if line.startswith("space directions"))
    columns = np.array([eval(v) for v in directions.split(": ")[1].split(" ")]).T
    assert np.diag([-1, -1, 1]) @ columns == pytest.approx(SHEARED[:3, :3], abs=0)


def test_the_order_of_memory_does_not_matter() -> None:
    grid = a_grid(turned())
    assert nrrd(Grid(np.asfortranarray(grid.array), grid.affine)) == nrrd(grid)
    assert nrrd(Grid(grid.array.astype(">i2"), grid.affine)) == nrrd(grid)


def test_a_mask_travels_as_bytes() -> None:
    grid = a_grid(np.eye(4))
    again = read(nrrd(Grid(grid.array > 50, grid.affine)), ".nrrd")
    assert np.array_equal(again.array, grid.array > 50)


def test_the_same_volume_has_the_same_fingerprint() -> None:
    assert fingerprint(nrrd(a_grid(turned()))) == fingerprint(nrrd(a_grid(turned())))
    assert fingerprint(nrrd(a_grid(turned()))) != fingerprint(nrrd(a_grid(FLIPPED)))


@AFFINES
def test_a_nifti_answer_is_read(affine: np.ndarray, tmp_path: Path) -> None:
    grid = a_grid(affine)
    image = SimpleITK.ReadImage(str(_file(tmp_path / "a.nrrd", nrrd(grid))))
    SimpleITK.WriteImage(image, str(tmp_path / "a.nii.gz"))
    again = read((tmp_path / "a.nii.gz").read_bytes(), ".nii.gz")
    assert np.array_equal(again.array, grid.array)
    assert again.affine == pytest.approx(affine, abs=1e-5)


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"", b"no volume", nrrd(a_grid(np.eye(4)))[:-20]])
def test_what_is_no_volume_is_refused_and_leaves_no_file(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UnreadableVolume):
        read(content, ".nrrd")
    assert list(tmp_path.iterdir()) == []


def test_millilitres() -> None:
    grid = Grid(np.array([[[0, 1], [1, 2]]]), np.diag([2.0, 5.0, 10.0, 1.0]))
    assert grid.millilitres(1) == pytest.approx(0.2)


def test_the_greatest_slice_is_found_in_the_world() -> None:
    array = np.zeros((5, 7, 9))
    array[2, 3, 6] = 1
    grid = Grid(array, turned())
    assert grid.centre_of_greatest_slice(2) == pytest.approx(grid.place((2, 3, 6)))
