"""Volumes as the content of NRRD files, without a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from tests.plugin.geometry import AFFINES, SHEARED, turned
from VerisimLib.nrrd import LPS_TO_RAS, SLAB, Grid, packed, unpacked
from VerisimLib.problems import Odd

TYPES = ("u1", "i1", "u2", "i2", "i4", "u4", "f4", "f8")


def a_grid(affine: np.ndarray, kind: str = "i2") -> Grid:
    return Grid(np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(kind), affine)


def of_a_file(path: Path, content: bytes) -> SimpleITK.Image:
    path.write_bytes(content)
    return SimpleITK.ReadImage(str(path))


@AFFINES
@pytest.mark.parametrize("kind", TYPES)
def test_what_is_written_is_read(affine: np.ndarray, kind: str) -> None:
    grid = a_grid(affine, kind)
    again = unpacked(packed(grid))
    assert again.array.dtype == grid.array.dtype
    assert np.array_equal(again.array, grid.array)
    assert np.array_equal(again.affine, affine)


@AFFINES
def test_another_program_reads_the_same(affine: np.ndarray, tmp_path: Path) -> None:
    grid = a_grid(affine)
    image = of_a_file(tmp_path / "a.nrrd", packed(grid))
    assert np.array_equal(SimpleITK.GetArrayFromImage(image).T, grid.array)
    corner = LPS_TO_RAS @ [*image.TransformIndexToPhysicalPoint((3, 1, 2)), 1]
    assert corner == pytest.approx(affine @ (3, 1, 2, 1), abs=1e-9)


@AFFINES
def test_what_another_program_writes_is_read(affine: np.ndarray, tmp_path: Path) -> None:
    grid = a_grid(affine)
    image = of_a_file(tmp_path / "a.nrrd", packed(grid))
    SimpleITK.WriteImage(image, str(tmp_path / "b.nrrd"))  # left-posterior-superior, raw
    again = unpacked((tmp_path / "b.nrrd").read_bytes())
    assert np.array_equal(again.array, grid.array)
    assert again.affine == pytest.approx(affine, abs=1e-9)


def test_a_sheared_volume_keeps_its_corners() -> None:
    assert np.array_equal(unpacked(packed(a_grid(SHEARED))).affine, SHEARED)


def test_channels_come_first_and_are_a_list() -> None:
    grid = Grid(np.random.default_rng(0).normal(size=(2, 4, 5, 6)).astype(np.float32), turned())
    content = packed(grid)
    assert b"kinds: list domain domain domain" in content
    again = unpacked(content)
    assert np.array_equal(again.array, grid.array)
    assert np.array_equal(again.affine, grid.affine)


def test_the_order_of_memory_does_not_matter() -> None:
    grid = a_grid(turned())
    assert packed(Grid(np.asfortranarray(grid.array), grid.affine)) == packed(grid)
    assert packed(Grid(grid.array.astype(">i2"), grid.affine)) == packed(grid)


def test_a_volume_of_many_slabs_is_whole() -> None:
    array = np.arange(SLAB, dtype=np.int32).reshape(64, -1, 128)
    assert np.array_equal(unpacked(packed(Grid(array, np.eye(4)))).array, array)


WHOLE = packed(a_grid(np.eye(4)))


@pytest.mark.parametrize(
    "content",
    [b"", b"no volume", WHOLE[:-20], WHOLE.replace(b"space:", b"spice:"), b"NRRD0004\n\n"],
)
def test_what_is_no_volume_is_refused(content: bytes) -> None:
    with pytest.raises(Odd, match="cannot be read"):
        unpacked(content)


def test_voxels_that_nrrd_does_not_know_are_refused() -> None:
    with pytest.raises(Odd, match="complex"):
        packed(Grid(np.zeros((2, 2, 2), complex), np.eye(4)))
