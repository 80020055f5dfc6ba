"""Corrections by clicks over HTTP, asked of a real server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest
import requests

from tests.apps.client import SECONDS, infer, refusal, session_of, taken_apart, voxels
from tests.apps.running import Server
from verisim import files
from verisim.volume import LabelMap

LABELS = {"anterior": 1, "posterior": 2}


def refine(
    server: Server,
    query: Mapping[str, str],
    clicks: Sequence[Mapping[str, Any]] | None,
    label: Path | None = None,
    upload: Path | None = None,
    model: str = "tiny",
    by: str = "",
) -> requests.Response:
    """Ask for a correction."""
    params: dict[str, Any] = {} if clicks is None else {"clicks": list(clicks)}
    params |= {"by": by} if by else {}
    sent: dict[str, Any] = {"params": (None, json.dumps(params))}
    for name, path in (("label", label), ("file", upload)):
        if path is not None:
            sent[name] = (path.name, path.read_bytes())
    url = f"{server.url}/refine/{model}"
    return requests.post(url, params=dict(query), files=sent, timeout=SECONDS)


def click(
    server: Server, voxel: tuple[int, int, int], label: str, belongs: bool = True
) -> dict[str, Any]:
    """At a voxel of case_1."""
    place = files.read(server.studies / "case_1.nii.gz").affine @ (*voxel, 1)
    return {"position_mm": [float(mm) for mm in place[:3]], "label": label, "belongs": belongs}


def test_a_clicked_voxel_gets_its_label_and_the_model_is_asked_once(server: Server) -> None:
    before = voxels(taken_apart(infer(server, {"image": "case_1"})))
    voxel = (10, 12, 9)
    name = "posterior" if before[voxel] != 2 else "anterior"
    clicks = [click(server, voxel, name)]
    session = session_of(server, [server.studies / "case_1.nii.gz"])
    first = taken_apart(refine(server, {"session_id": session}, clicks))
    assert voxels(first)[voxel] == LABELS[name]
    assert first.params["clicks"] == 1
    clicks.append(click(server, (4, 5, 6), name, belongs=False))
    second = taken_apart(refine(server, {"session_id": session}, clicks))
    assert second.params["kept"] is True
    assert second.params["seconds"]["network"] == 0
    assert voxels(second)[4, 5, 6] != LABELS[name]
    assert second.params["label_names"] == LABELS


def test_without_clicks_the_answer_is_that_of_infer(server: Server) -> None:
    plain = voxels(taken_apart(infer(server, {"image": "case_1"})))
    undone = voxels(taken_apart(refine(server, {"image": "case_1"}, [])))
    np.testing.assert_array_equal(undone, plain)


def test_the_order_does_not_matter_and_every_way_to_name_the_volume_is_alike(
    server: Server,
) -> None:
    path = server.studies / "case_1.nii.gz"
    clicks = [click(server, (10, 12, 9), "anterior"), click(server, (8, 6, 5), "posterior")]
    stored = taken_apart(refine(server, {"image": "case_1"}, clicks))
    sent = taken_apart(refine(server, {}, clicks[::-1], upload=path))
    np.testing.assert_array_equal(voxels(sent), voxels(stored))
    assert sent.params["kept"] is True  # the same content: the model was asked for the other


def test_a_click_network_answers_unless_the_walker_is_asked_for(server: Server) -> None:
    """The model "tiny" has the labels of the click network that comes with the package."""
    voxel = (10, 12, 9)
    clicks = [click(server, voxel, "anterior")]
    told = {}
    for method in ("auto", "network", "walker"):
        said = taken_apart(refine(server, {"image": "case_1"}, clicks, by=method))
        assert voxels(said)[voxel] == LABELS["anterior"]
        told[method] = said.params["by"]
    assert told["auto"] == told["network"]
    assert told["auto"].startswith("hippocampus-clicks v")
    assert told["walker"] == "walker"


def test_a_network_is_refused_where_none_knows_the_labels_or_channels(server: Server) -> None:
    asked = refine(server, {"image": "case_1"}, [], model="tiny-pair", by="network")
    assert refusal(asked) == (404, "not_found")
    assert refusal(refine(server, {"image": "case_1"}, [], by="magic")) == (400, "bad_input")


def test_a_label_map_that_a_client_drew_is_corrected(server: Server, tmp_path: Path) -> None:
    volume = files.read(server.studies / "case_1.nii.gz")
    array = np.zeros(volume.spatial_shape, np.uint8)
    array[5:10, 5:12, 4:10] = 1
    files.write(tmp_path / "drawn.nrrd", LabelMap(array, volume.affine, LABELS))
    clicks = [click(server, (7, 14, 6), "anterior")]
    reply = refine(server, {"image": "case_1"}, clicks, label=tmp_path / "drawn.nrrd")
    found = voxels(taken_apart(reply))
    assert found[7, 14, 6] == 1
    assert (found[15:] == 0).all()


def test_a_label_map_of_another_grid_is_refused(server: Server, tmp_path: Path) -> None:
    files.write(tmp_path / "x.nrrd", LabelMap(np.ones((5, 5, 5), np.uint8), np.eye(4), LABELS))
    clicks = [click(server, (7, 14, 6), "anterior")]
    response = refine(server, {"image": "case_1"}, clicks, label=tmp_path / "x.nrrd")
    assert refusal(response) == (422, "bad_geometry")


@pytest.mark.parametrize(
    "clicks",
    [
        None,
        [{"position_mm": [9000, 0, 0], "label": "anterior"}],
        [{"position_mm": [0, 0], "label": "anterior"}],
        [{"position_mm": ["x", 0, 0], "label": "anterior"}],
        [{"position_mm": [0, 0, 0]}],
        [{"position_mm": [0, 0, 0], "label": "anterior", "colour": "red"}],
    ],
)
def test_clicks_that_are_none_are_refused(
    server: Server, nothing_is_left_behind: None, clicks: list[dict[str, Any]] | None
) -> None:
    assert refusal(refine(server, {"image": "case_1"}, clicks)) == (400, "bad_input")


def test_an_unknown_label_is_refused_by_its_name(server: Server) -> None:
    response = refine(server, {"image": "case_1"}, [click(server, (1, 2, 3), "heart")])
    assert refusal(response) == (400, "bad_input")
    assert "anterior, posterior" in response.json()["remedy"]


@pytest.mark.parametrize(
    ("query", "model", "told"),
    [
        ({"image": "case_1"}, "nosuch", (404, "not_found")),
        ({"image": "nosuch"}, "tiny", (404, "not_found")),
        ({}, "tiny", (400, "bad_input")),
        ({"image": "../case_1"}, "tiny", (400, "bad_input")),
        ({"image": "case_1"}, "hippocampus-diffusion", (404, "not_found")),
        ({"image": "case_1"}, "tiny-pair", (422, "wrong_channels")),
    ],
)
def test_what_cannot_be_corrected_is_refused(
    server: Server, query: dict[str, str], model: str, told: tuple[int, str]
) -> None:
    assert refusal(refine(server, query, [], model=model)) == told


def test_a_volume_of_several_channels_is_corrected_too(server: Server, tmp_path: Path) -> None:
    image = files.read(server.studies / "case_1.nii.gz")
    both = np.stack([image.array, image.array[::-1]]).astype(np.float32)
    path = tmp_path / "both.nrrd"
    directions = np.vstack([np.full(3, np.nan), image.affine[:3, :3].T])
    header = {
        "space": "right-anterior-superior",
        "space directions": directions,
        "space origin": image.affine[:3, 3],
        "kinds": ["list", *["domain"] * 3],
    }
    nrrd.write(str(path), both, header)
    said = taken_apart(
        refine(
            server, {}, [click(server, (10, 12, 9), "anterior")], upload=path, model="tiny-pair"
        )
    )
    assert voxels(said)[10, 12, 9] == LABELS["anterior"]
