"""Volumes and questions that cannot be answered: each has its own reason, and leaves nothing."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests

from tests.apps.client import infer, refusal
from tests.apps.running import Server, an_image
from verisim import files

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")

SCENE = np.zeros((8, 8, 8), np.float32)


def _nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def _truncated(path: Path) -> Path:
    files.write(path, an_image(3))
    path.write_bytes(path.read_bytes()[:2000])
    return path


def _zero_axis(path: Path) -> Path:
    _nifti(path, SCENE)
    header = bytearray(gzip.decompress(path.read_bytes()))
    header[44:46] = b"\0\0"  # dim[2]
    path.write_bytes(gzip.compress(bytes(header)))
    return path


def _singular(path: Path) -> Path:
    _nifti(path, SCENE)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[280:328] = np.zeros(12, "<f4").tobytes()  # the rows of the affine
    path.write_bytes(gzip.compress(bytes(raw)))
    return path


def _sheared(path: Path) -> Path:
    return _nifti(
        path, SCENE, np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    )


def _rgb(path: Path) -> Path:
    return _nifti(path, np.zeros((8, 8, 8), [("R", "u1"), ("G", "u1"), ("B", "u1")]))


def _with(value: float) -> Callable[[Path], Path]:
    array = SCENE.copy()
    array[1, 2, 3] = value
    return lambda path: _nifti(path, array)


def _written(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


CASES = {
    "truncated gzip": (_truncated, 400, "unreadable_file"),
    "empty file": (_written(b""), 400, "unreadable_file"),
    "text": (_written(b"I am no image at all.\n" * 20), 400, "unreadable_file"),
    "zero-size axis": (_zero_axis, 422, "unsupported_volume"),
    "NaN voxels": (_with(np.nan), 422, "unsupported_volume"),
    "infinite voxels": (_with(np.inf), 422, "unsupported_volume"),
    "time series": (lambda p: _nifti(p, np.zeros((8, 8, 8, 5))), 422, "unsupported_volume"),
    "colours": (_rgb, 422, "unsupported_volume"),
    "singular affine": (_singular, 422, "bad_geometry"),
    "sheared affine": (_sheared, 422, "bad_geometry"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_volume_is_refused_with_its_reason(
    server: Server, tmp_path: Path, case: str
) -> None:
    make, status, code = CASES[case]
    response = infer(server, {}, upload=make(tmp_path / "bad.nii.gz"))
    assert refusal(response) == (status, code), response.text
    assert "file_0.nii.gz" in response.json()["message"] or case.endswith("voxels")


def test_the_reasons_differ_from_each_other(server: Server, tmp_path: Path) -> None:
    replies = [
        infer(server, {}, upload=make(tmp_path / "bad.nii.gz")) for make, *_ in CASES.values()
    ]
    messages = {reply.json()["message"] for reply in replies}
    assert len(messages) == len(CASES) - 1  # NaN and infinite voxels break the same rule


def test_a_volume_with_too_few_channels_is_refused(server: Server) -> None:
    response = infer(server, {"image": "case_1"}, model="tiny-pair")
    assert refusal(response) == (422, "wrong_channels")
    assert "T1, T2" in response.json()["message"]


def test_a_volume_beyond_the_memory_is_refused(server: Server, tmp_path: Path) -> None:
    metres = _nifti(tmp_path / "metres.nii.gz", SCENE, np.diag([1000.0, 1000.0, 1000.0, 1.0]))
    assert refusal(infer(server, {}, upload=metres)) == (413, "too_large")


def test_a_file_of_no_known_kind_is_refused(server: Server, tmp_path: Path) -> None:
    picture = _written(b"\x89PNG")(tmp_path / "picture.png")
    assert refusal(infer(server, {}, upload=picture)) == (400, "unreadable_file")


@pytest.mark.parametrize(
    "image", ["../../etc/passwd", "/etc/passwd", "..", "a/b", "case_1/../case_2", "C:\\x", "a\0b"]
)
def test_a_path_is_no_image_id(server: Server, image: str) -> None:
    assert refusal(infer(server, {"image": image})) == (400, "bad_input")


@pytest.mark.parametrize("name", ["image", "session", "label", "model", "bundle_path"])
def test_the_params_cannot_name_a_file(server: Server, name: str) -> None:
    response = infer(server, {"image": "case_1"}, {name: "/etc/passwd"})
    assert refusal(response) == (400, "bad_input")
    assert name in response.json()["message"]


def test_an_unknown_image_is_not_found(server: Server) -> None:
    assert refusal(infer(server, {"image": "nobody"})) == (404, "not_found")


def test_an_unknown_model_is_not_found_and_the_remedy_lists_those_that_exist(
    server: Server,
) -> None:
    response = infer(server, {"image": "case_1"}, model="nosuch")
    assert refusal(response) == (404, "not_found")
    assert "tiny" in response.json()["remedy"]


@pytest.mark.parametrize("session", ["nosuch", "../..", "0" * 36, "0000-" * 7 + "0"])
def test_an_unknown_session_is_not_found(server: Server, session: str) -> None:
    assert refusal(infer(server, {"session_id": session})) == (404, "not_found")


def test_a_request_without_an_image_is_refused(server: Server) -> None:
    assert refusal(infer(server, {})) == (400, "bad_input")


@pytest.mark.parametrize(
    ("text", "code"), [("{", "bad_json"), ("nonsense", "bad_json"), ("[1, 2]", "bad_input")]
)
def test_params_must_be_a_json_object(server: Server, text: str, code: str) -> None:
    url = f"{server.url}/infer/tiny?image=case_1"
    response = requests.post(url, files={"params": (None, text)}, timeout=30)
    assert refusal(response) == (400, code)


@pytest.mark.parametrize(
    "params",
    [{"result_extension": ".exe"}, {"result_extension": 3}, {"device": 3}, {"device": "toaster"}],
)
def test_a_parameter_that_is_not_offered_is_refused(
    server: Server, params: dict[str, object]
) -> None:
    response = infer(server, {"image": "case_1"}, params)
    assert refusal(response) == (400, "bad_input")


def test_an_unknown_output_is_refused(server: Server) -> None:
    assert refusal(infer(server, {"image": "case_1", "output": "poem"})) == (422, "bad_input")


def test_a_dicom_segmentation_needs_a_dicom_series(server: Server) -> None:
    response = infer(server, {"image": "case_1", "output": "dicom_seg"})
    assert refusal(response) == (422, "unsupported_volume")
    assert "series" in response.json()["remedy"]
