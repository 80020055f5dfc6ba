"""The released series keeps the MR Image information object of PS3.3 A.4."""

import numpy as np
import pydicom
import pytest
from highdicom._iods import IOD_MODULE_MAP
from highdicom._modules import MODULE_ATTRIBUTE_MAP
from pydicom.uid import MRImageStorage

from tests.samples import SERIES, SLICES

MODULES = [
    module["key"]
    for module in IOD_MODULE_MAP["mr-image"]
    if module["usage"] == "M" or module["key"] in ("patient-study", "voi-lut")
]

CONDITIONS_MET = {
    "ContentDate": "general-image",  # slices that belong together in time
    "ContentTime": "general-image",
    "PatientPosition": "general-series",  # MR images need it
    "PixelData": "image-pixel",
    "RepetitionTime": "mr-image",  # unless echo planar
    "WindowCenter": "voi-lut",  # no VOI LUT Sequence
    "WindowWidth": "voi-lut",
}
"""Attributes of type 1C and 2C whose condition this series meets, and their module."""


@pytest.fixture(scope="module")
def slices() -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(SERIES.glob("*.dcm"))]


def attributes(module: str, kind: str) -> list[str]:
    rows = MODULE_ATTRIBUTE_MAP[module]
    return [row["keyword"] for row in rows if not row["path"] and row["type"] == kind]


def test_the_table_of_the_standard_is_the_mr_image_s() -> None:
    assert {"patient", "general-study", "image-plane", "mr-image", "sop-common"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_every_required_attribute_is_there(slices: list[pydicom.Dataset], module: str) -> None:
    for instance in slices:
        for keyword in attributes(module, "1"):
            assert instance.get(keyword) not in (None, ""), keyword
        for keyword in attributes(module, "2"):
            assert keyword in instance


@pytest.mark.parametrize(("keyword", "module"), CONDITIONS_MET.items())
def test_every_conditional_attribute_that_applies_is_there(
    slices: list[pydicom.Dataset], keyword: str, module: str
) -> None:
    assert keyword in attributes(module, "1C") + attributes(module, "2C")
    assert all(keyword in instance for instance in slices)


def test_every_attribute_belongs_to_a_module_of_the_object(slices: list[pydicom.Dataset]) -> None:
    known = {
        row["keyword"]
        for module in IOD_MODULE_MAP["mr-image"]
        for row in MODULE_ATTRIBUTE_MAP[module["key"]]
        if not row["path"]
    }
    written = {element.keyword for element in slices[0] if element.tag != 0x0008001C}
    assert written <= known


def test_every_slice_says_that_it_is_synthetic_and_nobody(slices: list[pydicom.Dataset]) -> None:
    for instance in slices:
        assert instance[0x0008001C].value == "YES"
        assert instance[0x0008001C].VR == "CS"
        assert instance.PatientName == "SYNTHETIC^VERISIM"
        assert instance.BurnedInAnnotation == "NO"
        assert instance.ImageType[:2] == ["DERIVED", "SECONDARY"]


def test_every_value_keeps_the_rules_of_its_representation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
    for path in SERIES.glob("*.dcm"):
        assert len(list(pydicom.dcmread(path).iterall())) > 40


def test_the_identifiers_are_valid_and_tell_the_slices_apart(
    slices: list[pydicom.Dataset],
) -> None:
    for instance in slices:
        assert instance.SOPClassUID == instance.file_meta.MediaStorageSOPClassUID == MRImageStorage
        assert instance.SOPInstanceUID == instance.file_meta.MediaStorageSOPInstanceUID
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
            value = instance[keyword].value
            assert value.is_valid
            assert value.startswith("2.25.")
            assert int(value.split(".")[-1]) < 2**128
    for keyword, count in (
        ("SOPInstanceUID", SLICES),
        ("SeriesInstanceUID", 1),
        ("StudyInstanceUID", 1),
    ):
        assert len({instance[keyword].value for instance in slices}) == count


def test_slices_are_axial_and_1_mm_apart_towards_the_head(slices: list[pydicom.Dataset]) -> None:
    places = np.array([instance.ImagePositionPatient for instance in slices])
    assert np.allclose(np.diff(places, axis=0), (0, 0, 1))
    assert [int(instance.InstanceNumber) for instance in slices] == list(range(1, SLICES + 1))
    for instance in slices:
        assert instance.ImageOrientationPatient == [-1, 0, 0, 0, -1, 0]
        assert instance.pixel_array.shape == (51, 36)
        assert instance.pixel_array.max() < 2**instance.BitsStored
