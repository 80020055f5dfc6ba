"""From the PACS to a segmentation and back to the PACS, over real HTTP to a real Orthanc."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import requests
from pydicom import Dataset

from tests.apps.client import SECONDS, infer, refusal, taken_apart
from tests.apps.pacs.conftest import Hospital
from tests.apps.pacs.seeds import PATIENT, a_series, drawn_on
from tests.mrml import TOLERANCE_MM, distance_mm, opened, places
from verisim import files
from verisim.volume import LPS_TO_RAS, LabelMap

pytestmark = pytest.mark.slow

SERIES = ["synthetic", "mr", "ct"]
COLORS = {"anterior": [230, 77, 51], "absent": [255, 255, 0], "posterior": [51, 128, 230]}


def listed(hospital: Hospital) -> dict[str, Any]:
    answer = requests.get(f"{hospital.server.url}/datastore/?output=all", timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["objects"])


def saved(
    hospital: Hospital,
    uid: str,
    path: Path,
    tag: str = "final",
    params: dict[str, Any] | None = None,
) -> requests.Response:
    return requests.put(
        f"{hospital.server.url}/datastore/label",
        params={"image": uid, "tag": tag},
        files={"label": (path.name, path.read_bytes())},
        data={"params": json.dumps(params or {})},
        timeout=SECONDS,
    )


def downloaded(hospital: Hospital, kind: str, query: dict[str, str], folder: Path) -> Path:
    answer = requests.get(f"{hospital.server.url}/datastore/{kind}", query, timeout=SECONDS)
    assert answer.status_code == 200, answer.text
    name = answer.headers["Content-Disposition"].split('filename="')[1].rstrip('"')
    (folder / name).write_bytes(answer.content)
    return folder / name


def told(label_map: LabelMap) -> dict[str, Any]:
    """What the panel sends beside a label."""
    entries = [
        {"name": name, "idx": value, "color": COLORS[name]}
        for name, value in label_map.labels.items()
    ]
    return {"label_info": entries}


def check_places(segmentation: Dataset, label_map: LabelMap) -> None:
    """Each frame, as pydicom reads it, lies on its slice of the image."""
    lps_to_voxel = np.linalg.inv(LPS_TO_RAS @ label_map.affine)
    voxels = 0
    for n, frame in enumerate(segmentation.PerFrameFunctionalGroupsSequence):
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        index = (lps_to_voxel @ [*position, 1])[:3]
        off = np.abs(label_map.affine[:3, :3] @ (index - [0, 0, round(index[2])]))
        assert off.max() < TOLERANCE_MM
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        value = list(label_map.labels.values())[number - 1]
        wanted = label_map.array[:, :, round(index[2])] == value
        pixels = segmentation.pixel_array
        frame_pixels = pixels if pixels.ndim == 2 else pixels[n]
        np.testing.assert_array_equal(frame_pixels.T > 0, wanted)
        voxels += int(wanted.sum())
    assert voxels == (label_map.array > 0).sum()


def test_mr_and_ct_series_are_listed_and_what_is_no_image_is_not(hospital: Hospital) -> None:
    objects = listed(hospital)
    assert set(hospital.series.values()) <= set(objects)
    kinds = {uid: objects[uid]["image"]["info"]["Modality"] for uid in objects}
    assert set(kinds.values()) == {"MR", "CT"}
    assert kinds[hospital.series["ct"]] == "CT"
    info = requests.get(f"{hospital.server.url}/info/", timeout=SECONDS).json()
    assert info["datastore"]["total"] == len(objects)


@pytest.mark.parametrize("name", SERIES)
def test_an_image_arrives_with_its_voxels_where_the_series_says(
    hospital: Hospital, tmp_path: Path, name: str
) -> None:
    uid = hospital.series[name]
    path = downloaded(hospital, "image", {"image": uid}, tmp_path)
    assert path.name == f"{uid}.nii.gz"
    study = listed(hospital)[uid]["image"]["info"]["StudyInstanceUID"]
    folder = tmp_path / "series"
    folder.mkdir()
    for n, instance in enumerate(hospital.orthanc.client.retrieve_series(study, uid)):
        instance.save_as(folder / f"{n}.dcm")
    wanted = files.read(folder)
    found = files.read(path)
    assert found.shares_grid(wanted)
    np.testing.assert_array_equal(found.array, wanted.array)


@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nii.gz", ".dcm"])
@pytest.mark.parametrize("name", ["synthetic", "ct"])
def test_a_series_is_segmented_in_every_format(
    hospital: Hospital, tmp_path: Path, name: str, suffix: str
) -> None:
    reply = infer(hospital.server, {"image": hospital.series[name]}, {"result_extension": suffix})
    found = files.read_label_map(taken_apart(reply).saved(tmp_path))
    image = files.read(downloaded(hospital, "image", {"image": hospital.series[name]}, tmp_path))
    np.testing.assert_allclose(found.spacing_mm, image.spacing_mm, rtol=1e-5)


def test_output_dicom_seg_is_a_segmentation_of_the_series(
    hospital: Hospital, tmp_path: Path
) -> None:
    uid = hospital.series["mr"]
    answer = infer(hospital.server, {"image": uid, "output": "dicom_seg"})
    assert answer.status_code == 200, answer.text
    (tmp_path / "s.dcm").write_bytes(answer.content)
    found = highdicom.seg.segread(tmp_path / "s.dcm")
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == uid


@pytest.mark.parametrize("name", SERIES)
def test_a_final_label_is_stored_on_the_pacs_and_reads_back_in_place(
    hospital: Hospital, tmp_path: Path, name: str
) -> None:
    uid = hospital.series[name]
    image = files.read(downloaded(hospital, "image", {"image": uid}, tmp_path))
    label_map = drawn_on(image)
    files.write(tmp_path / "label.nii.gz", label_map)
    answer = saved(hospital, uid, tmp_path / "label.nii.gz", params=told(label_map))
    assert answer.status_code == 200, answer.text

    stored = hospital.orthanc.segmentations(uid)[-1]
    assert [s.SegmentLabel for s in stored.SegmentSequence] == list(label_map.labels)
    assert [s.SegmentNumber for s in stored.SegmentSequence] == [1, 2, 3]
    codes = {s.SegmentedPropertyTypeCodeSequence[0].CodeValue for s in stored.SegmentSequence}
    assert "78961009" not in codes  # MONAI Label calls everything a spleen
    check_places(stored, label_map)
    stored.save_as(tmp_path / "stored.dcm")
    assert highdicom.seg.segread(tmp_path / "stored.dcm").number_of_segments == 3

    back = downloaded(hospital, "label", {"label": uid, "tag": "final"}, tmp_path)
    segmentation = opened(back)
    found = {
        segmentation.GetNthSegment(n).GetName(): segmentation.GetNthSegment(n)
        for n in range(segmentation.GetNumberOfSegments())
    }
    assert list(found) == list(label_map.labels)
    for segment, value in label_map.labels.items():
        if segment != "absent":
            assert distance_mm(places(found[segment]), label_map, value) < TOLERANCE_MM
    assert "final" in listed(hospital)[uid]["labels"]


def test_what_a_model_found_is_stored_with_its_own_names(
    hospital: Hospital, tmp_path: Path
) -> None:
    uid = hospital.series["synthetic"]
    params = {"save_label": True, "label_tag": "final", "result_extension": ".nii.gz"}
    reply = infer(hospital.server, {"image": uid}, params)
    found = files.read_label_map(
        taken_apart(reply).saved(tmp_path), {"anterior": 1, "posterior": 2}
    )
    stored = hospital.orthanc.segmentations(uid)[-1]
    assert [s.SegmentLabel for s in stored.SegmentSequence] == ["anterior", "posterior"]
    check_places(stored, found)


def test_an_empty_label_is_stored_as_empty_segments(hospital: Hospital, tmp_path: Path) -> None:
    instances = a_series("CT", "nothing found")
    hospital.orthanc.take(instances)
    uid = str(instances[0].SeriesInstanceUID)
    image = files.read(downloaded(hospital, "image", {"image": uid}, tmp_path))
    nothing = LabelMap(np.zeros(image.spatial_shape, np.uint8), image.affine, {})
    files.write(tmp_path / "label.nii.gz", nothing)

    assert refusal(saved(hospital, uid, tmp_path / "label.nii.gz")) == (400, "bad_input")
    names = {"label_info": [{"name": "tumour", "idx": 1}]}
    assert saved(hospital, uid, tmp_path / "label.nii.gz", params=names).status_code == 200
    (stored,) = hospital.orthanc.segmentations(uid)
    assert [s.SegmentLabel for s in stored.SegmentSequence] == ["tumour"]
    assert not stored.pixel_array.any()
    back = files.read_label_map(
        downloaded(hospital, "label", {"label": uid, "tag": "final"}, tmp_path)
    )
    assert back.labels == {"tumour": 1}
    assert not back.array.any()


def test_other_labels_stay_on_the_server(hospital: Hospital, tmp_path: Path) -> None:
    uid = hospital.series["mr"]
    before = len(hospital.orthanc.segmentations(uid))
    image = files.read(downloaded(hospital, "image", {"image": uid}, tmp_path))
    files.write(tmp_path / "label.seg.nrrd", drawn_on(image))
    assert saved(hospital, uid, tmp_path / "label.seg.nrrd", "draft").status_code == 200
    assert len(hospital.orthanc.segmentations(uid)) == before
    assert "draft" in listed(hospital)[uid]["labels"]
    back = downloaded(hospital, "label", {"label": uid, "tag": "draft"}, tmp_path)
    assert files.read_label_map(back).labels == drawn_on(image).labels


def test_a_label_on_other_voxels_is_refused(hospital: Hospital, tmp_path: Path) -> None:
    uid = hospital.series["mr"]
    image = files.read(downloaded(hospital, "image", {"image": uid}, tmp_path))
    moved = image.affine.copy()
    moved[:3, 3] += 3
    label_map = drawn_on(image)
    files.write(tmp_path / "label.nii.gz", LabelMap(label_map.array, moved, label_map.labels))
    answer = saved(hospital, uid, tmp_path / "label.nii.gz", params=told(label_map))
    assert refusal(answer) == (422, "bad_geometry")


def test_a_new_series_is_there_at_once_and_a_label_from_elsewhere_within_seconds(
    hospital: Hospital, tmp_path: Path
) -> None:
    instances = a_series("MR", "new")
    uid = str(instances[0].SeriesInstanceUID)
    listed(hospital)
    hospital.orthanc.take(instances)
    image = files.read(downloaded(hospital, "image", {"image": uid}, tmp_path))
    folder = tmp_path / "series"
    folder.mkdir()
    for n, instance in enumerate(instances):
        instance.save_as(folder / f"{n}.dcm", write_like_original=False)
    files.write(tmp_path / "elsewhere.dcm", drawn_on(image), reference=folder)
    hospital.orthanc.take([pydicom.dcmread(tmp_path / "elsewhere.dcm")])
    requests.post(f"{hospital.server.url}/activelearning/random", json={}, timeout=SECONDS)
    assert "final" in listed(hospital)[uid]["labels"]


def test_active_learning_offers_series_without_a_segmentation(hospital: Hospital) -> None:
    instances = a_series("MR", "to do")
    hospital.orthanc.take(instances)
    answer = requests.post(
        f"{hospital.server.url}/activelearning/random", json={"seed": 1}, timeout=SECONDS
    )
    assert answer.status_code == 200, answer.text
    offered = answer.json()
    objects = listed(hospital)
    assert "final" not in objects[offered["id"]]["labels"]
    assert offered["name"] == f"{offered['id']}.nii.gz"
    assert {"SeriesInstanceUID", "StudyInstanceUID"} <= set(offered)


def test_an_image_is_fetched_once(hospital: Hospital, tmp_path: Path) -> None:
    uid = hospital.series["ct"]
    downloaded(hospital, "image", {"image": uid}, tmp_path)
    (folder,) = hospital.cache.glob(f"*/cache/series/*/{uid}")
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    infer(hospital.server, {"image": uid})
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert (folder.parents[2].stat().st_mode & 0o077) == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "image?id={uid}"), ("DELETE", "label?id={uid}&tag=final")],
)
def test_nothing_is_deleted_on_the_pacs(hospital: Hospital, method: str, path: str) -> None:
    url = f"{hospital.server.url}/datastore/{path.format(uid=hospital.series['ct'])}"
    assert refusal(requests.request(method, url, timeout=SECONDS)) == (400, "bad_input")


def test_an_unknown_series_and_a_path_are_refused(hospital: Hospital) -> None:
    assert refusal(infer(hospital.server, {"image": "1.2.3"}))[0] == 404
    assert refusal(infer(hospital.server, {"image": "../1"}))[0] == 400


def test_no_patient_is_named_and_nothing_was_downloaded(hospital: Hospital) -> None:
    log = hospital.server.log.read_text(errors="replace")
    for name in (PATIENT, "SYNTHETIC^VERISIM", "dcmqi", "127.0.0.1:9"):
        assert name not in log
    assert list((hospital.server.app / "bin").iterdir()) == []
