"""Volumes as the content of NIfTI files, without a file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from tests.plugin.geometry import AFFINES, turned
from VerisimLib.cases import study
from VerisimLib.nifti import unpacked
from VerisimLib.nrrd import LPS_TO_RAS, Grid, packed
from VerisimLib.problems import Odd

TYPES = ("u1", "i1", "u2", "i2", "i4", "u4", "f4", "f8")
QFORM, SFORM = 252, 254
"""Where NIfTI-1 has the codes of its two ways to say where a volume lies."""


def an_array(kind: str = "i2") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(kind)


def written(folder: Path, array: np.ndarray, affine: np.ndarray, ending: str = ".nii") -> bytes:
    """What another program writes."""
    (folder / "a.nrrd").write_bytes(packed(Grid(array, affine)))
    image = SimpleITK.ReadImage(str(folder / "a.nrrd"))
    SimpleITK.WriteImage(image, str(folder / f"a{ending}"))
    return (folder / f"a{ending}").read_bytes()


def changed(content: bytes, place: int, form: str, *values: float) -> bytes:
    head = bytearray(content)
    struct.pack_into(form, head, place, *values)
    return bytes(head)


@AFFINES
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("way", [SFORM, QFORM])
def test_what_another_program_writes_is_read(
    affine: np.ndarray, ending: str, way: int, tmp_path: Path
) -> None:
    array = an_array()
    content = written(tmp_path, array, affine, ending)
    if ending == ".nii":  # the other way says nothing
        content = changed(content, QFORM + SFORM - way, "<h", 0)
    found = study(content)
    assert np.array_equal(found.array, array)
    assert found.affine == pytest.approx(affine, abs=1e-5)


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_read(kind: str, tmp_path: Path) -> None:
    found = unpacked(written(tmp_path, an_array(kind), turned())).array
    assert (found.dtype, found.tolist()) == (kind, an_array(kind).tolist())


def test_stored_numbers_stand_for_values(tmp_path: Path) -> None:
    content = written(tmp_path, an_array(), turned())
    found = unpacked(changed(content, 112, "<ff", 0.5, -3.0)).array
    assert found == pytest.approx(an_array() * 0.5 - 3)


def test_a_file_that_does_not_say_where_it_lies_has_its_middle_at_the_origin(
    tmp_path: Path,
) -> None:
    content = changed(written(tmp_path, an_array(), turned()), QFORM, "<hh", 0, 0)
    affine = unpacked(content).affine
    assert affine[:3, :3] == pytest.approx(np.diag([-0.7, 1.3, 2.9]))
    assert affine @ [1.5, 2, 2.5, 1] == pytest.approx([0, 0, 0, 1])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", [1, 2])
def test_both_versions_and_both_orders_of_bytes_are_read(version: int, order: str) -> None:
    array, affine = an_array(), turned().astype("f4").astype("f8")
    size, dim, kind, start, code, rows = (
        (348, (40, "8h"), 70, (108, "f"), (254, "h"), (280, "12f")),
        (540, (16, "8q"), 12, (168, "q"), (348, "i"), (400, "12d")),
    )[version - 1]
    head = bytearray(size + 4)
    for place, form, values in (
        (0, "i", (size,)),
        (*dim, (3, *array.shape, 1, 1, 1, 1)),
        (kind, "h", (4,)),
        (*start, (size + 4,)),
        (*code, (1,)),
        (*rows, affine[:3].ravel()),
    ):
        struct.pack_into(order + form, head, place, *values)
    found = unpacked(bytes(head) + array.astype(order + "i2").tobytes(order="F"))
    assert np.array_equal(found.array, array)
    assert np.array_equal(found.affine, affine)


def test_the_places_are_those_of_the_other_program(tmp_path: Path) -> None:
    found = unpacked(written(tmp_path, an_array(), turned()))
    image = SimpleITK.ReadImage(str(tmp_path / "a.nii"))
    corner = LPS_TO_RAS @ [*image.TransformIndexToPhysicalPoint((3, 1, 2)), 1]
    assert corner == pytest.approx(found.affine @ (3, 1, 2, 1), abs=1e-5)


@pytest.mark.parametrize("broken", ["nothing", "short", "packed", "series"])
def test_what_is_no_volume_is_a_problem(broken: str, tmp_path: Path) -> None:
    content = written(tmp_path, an_array(), turned())
    broken_ones = {
        "nothing": b"",
        "short": content[:-1],
        "packed": written(tmp_path, an_array(), turned(), ".nii.gz")[:-20],
        "series": changed(content, 40, "<8h", 4, 4, 5, 3, 2, 1, 1, 1),
    }
    with pytest.raises(Odd, match="cannot be read"):
        study(broken_ones[broken])
