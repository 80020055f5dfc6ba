"""Segmentations over HTTP: by id, session and upload, in every format, in the right place."""

from pathlib import Path

import numpy as np
import pytest
import requests

from tests.apps.client import infer, session_of, taken_apart, voxels
from tests.apps.running import Server, a_tiny_model
from verisim import files
from verisim.segmentation import NetworkSegmenter


@pytest.fixture(scope="module")
def expected(server: Server, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What the library answers to the image "case_1"."""
    segmenter = NetworkSegmenter(a_tiny_model(tmp_path_factory.mktemp("model")))
    return segmenter(files.read(server.studies / "case_1.nii.gz")).label_map.array


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".seg.nrrd"])
def test_every_format_lies_on_the_voxels_of_the_image(
    server: Server, tmp_path: Path, expected: np.ndarray, suffix: str
) -> None:
    reply = taken_apart(infer(server, {"image": "case_1"}, {"result_extension": suffix}))
    assert reply.name.endswith(suffix)
    found = files.read_label_map(reply.saved(tmp_path), {"anterior": 1, "posterior": 2})
    image = files.read(server.studies / "case_1.nii.gz")
    assert found.shares_grid(image)
    np.testing.assert_array_equal(found.array, expected)


def test_without_a_wish_the_answer_is_the_nrrd_that_the_stock_panel_reads(server: Server) -> None:
    assert taken_apart(infer(server, {"image": "case_1"})).name.endswith(".nrrd")


def test_a_result_dtype_changes_nothing(server: Server) -> None:
    plain = taken_apart(infer(server, {"image": "case_1"}))
    typed = taken_apart(infer(server, {"image": "case_1"}, {"result_dtype": "uint16"}))
    np.testing.assert_array_equal(voxels(typed), voxels(plain))


def test_the_params_say_what_was_found_and_how_sure_and_how_long(server: Server) -> None:
    params = taken_apart(infer(server, {"image": "case_1"})).params
    assert params["label_names"] == {"anterior": 1, "posterior": 2}
    assert set(params["volumes_ml"]) == {"anterior", "posterior"}
    assert 0 < params["certainty"] <= 1
    assert params["model"] == {"name": "tiny", "version": 1}
    assert isinstance(params["warnings"], list)
    stages = {name: s for name, s in params["seconds"].items() if name != "total"}
    assert sum(stages.values()) == pytest.approx(params["seconds"]["total"], abs=0.01)
    assert set(params["latencies"]) == {"pre", "infer", "invert", "post", "write", "total"}


def test_the_volumes_are_those_of_the_label_map(server: Server, expected: np.ndarray) -> None:
    params = taken_apart(infer(server, {"image": "case_1"})).params
    voxel_ml = files.read(server.studies / "case_1.nii.gz").voxel_ml
    counted = {"anterior": (expected == 1).sum(), "posterior": (expected == 2).sum()}
    assert params["volumes_ml"] == pytest.approx(
        {name: voxels * voxel_ml for name, voxels in counted.items()}, abs=1e-3
    )


def test_a_centroid_lies_in_the_middle_of_its_label(server: Server, expected: np.ndarray) -> None:
    params = taken_apart(infer(server, {"image": "case_1"})).params
    centres = {name: c for entry in params["centroids"] for name, c in entry.items()}
    for name, value in {"anterior": 1, "posterior": 2}.items():
        if (expected == value).any():
            middle = np.argwhere(expected == value).mean(axis=0)
            np.testing.assert_allclose(centres[name], middle, atol=0.51)


def test_an_uploaded_file_is_segmented_like_the_stored_one(server: Server) -> None:
    stored = taken_apart(infer(server, {"image": "case_1"}))
    sent = taken_apart(infer(server, {}, upload=server.studies / "case_1.nii.gz"))
    np.testing.assert_array_equal(voxels(sent), voxels(stored))


def test_a_session_is_segmented_like_the_stored_image(server: Server) -> None:
    session = session_of(server, [server.studies / "case_1.nii.gz"])
    stored = taken_apart(infer(server, {"image": "case_1"}))
    sent = taken_apart(infer(server, {"session_id": session}))
    np.testing.assert_array_equal(voxels(sent), voxels(stored))


def test_a_session_tells_no_path_of_the_server(server: Server) -> None:
    upload = {"files": ("a.nii.gz", (server.studies / "case_1.nii.gz").read_bytes())}
    reply = requests.put(f"{server.url}/session/", files=upload, timeout=30)
    assert reply.status_code == 200
    assert str(server.sessions) not in reply.text


def test_a_session_gives_back_its_file(server: Server) -> None:
    session = session_of(server, [server.studies / "case_1.nii.gz"])
    url = f"{server.url}/session/{session}"
    told = requests.get(url, timeout=30)
    assert told.json()["name"] == session
    assert str(server.sessions) not in told.text
    content = requests.get(f"{url}?image=true", timeout=30).content
    assert content == (server.studies / "case_1.nii.gz").read_bytes()


def test_a_deleted_session_is_gone(server: Server) -> None:
    session = session_of(server, [server.studies / "case_1.nii.gz"])
    url = f"{server.url}/session/{session}"
    assert requests.delete(url, timeout=30).ok
    assert requests.get(url, timeout=30).status_code == 404
    assert not (server.sessions / session).exists()


def test_output_json_holds_the_params_alone(server: Server) -> None:
    reply = infer(server, {"image": "case_1", "output": "json"})
    assert reply.json()["label_names"] == {"anterior": 1, "posterior": 2}


def test_output_image_is_the_file_alone(server: Server, tmp_path: Path) -> None:
    reply = infer(server, {"image": "case_1", "output": "image"}, {"result_extension": ".nii.gz"})
    (tmp_path / "answer.nii.gz").write_bytes(reply.content)
    found = files.read_label_map(tmp_path / "answer.nii.gz")
    assert found.shares_grid(files.read(server.studies / "case_1.nii.gz"))


@pytest.fixture(scope="module")
def series(scanned: Path) -> list[Path]:
    """The files of the sample series."""
    return sorted(scanned.glob("*.dcm"))


def test_a_dicom_series_in_a_session_lies_where_the_library_reads_it(
    server: Server, tmp_path: Path, series: list[Path]
) -> None:
    session = session_of(server, series)
    reply = taken_apart(infer(server, {"session_id": session}))
    found = files.read_label_map(reply.saved(tmp_path))
    assert found.shares_grid(files.read(series[0].parent))


def test_a_dicom_series_is_answered_with_a_dicom_segmentation(
    server: Server, tmp_path: Path, series: list[Path]
) -> None:
    session = session_of(server, series)
    reply = infer(server, {"session_id": session, "output": "dicom_seg"})
    assert reply.status_code == 200, reply.text
    assert reply.headers["Content-Type"] == "application/dicom"
    (tmp_path / "answer.dcm").write_bytes(reply.content)
    found = files.read_label_map(tmp_path / "answer.dcm")
    assert set(found.labels) <= {"anterior", "posterior"}
    assert found.array.any()


def test_a_result_can_be_saved_as_the_label_of_its_image(server: Server) -> None:
    wish = {"save_label": True, "label_tag": "saved-here"}
    assert infer(server, {"image": "case_2"}, wish).status_code == 200
    stored = requests.get(f"{server.url}/datastore/?output=all", timeout=30).json()
    label = stored["objects"]["case_2"]["labels"]["saved-here"]
    assert label["info"]["params"]["certainty"] > 0
    assert (server.studies / "labels" / "saved-here" / "case_2.nrrd").is_file()
