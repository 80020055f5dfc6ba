"""Batches and training on the series of a PACS, in the processes of jobs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import requests
from pydicom import Dataset

from tests.apps.client import refusal
from tests.apps.pacs.orthanc import Orthanc, running_orthanc
from tests.apps.pacs.seeds import a_series
from tests.apps.running import running
from verisim import files
from verisim.volume import LabelMap

pytestmark = pytest.mark.slow

SECONDS = 240
SHORT = {"max_epochs": 1, "iterations_per_epoch": 1, "val_split": 0.5}


def take_labelled(orthanc: Orthanc, patient: str, folder: Path) -> str:
    """Store a series and a segmentation of it; its UID."""
    instances = a_series("MR", patient)
    folder.mkdir()
    for n, instance in enumerate(instances):
        instance.save_as(folder / f"{n}.dcm", write_like_original=False)
    volume = files.read(folder)
    array = np.zeros(volume.spatial_shape, np.uint8)
    array[3:9, 4:12, 4:12] = 1
    array[9:15, 4:12, 4:12] = 2
    label_map = LabelMap(array, volume.affine, {"anterior": 1, "posterior": 2})
    segmentation: Path = folder.parent / f"{patient}.dcm"
    files.write(segmentation, label_map, reference=folder)
    stored: list[Dataset] = [*instances, pydicom.dcmread(segmentation)]
    orthanc.take(stored)
    return str(instances[0].SeriesInstanceUID)


def test_a_model_learns_from_the_labels_of_a_pacs_and_segments_the_rest(tmp_path: Path) -> None:
    with running_orthanc(tmp_path / "orthanc") as orthanc:
        take_labelled(orthanc, "one", tmp_path / "first")
        take_labelled(orthanc, "one", tmp_path / "second")
        conf = {"pacs_folder": str(tmp_path / "cache")}
        with running(tmp_path, conf, pacs=orthanc.url) as server:
            train = f"{server.url}/train/tiny?run_sync=true"
            answer = requests.post(train, json=SHORT, timeout=SECONDS)
            assert refusal(answer) == (422, "bad_dataset")  # two series of one patient
            assert "subject" in answer.json()["message"]

            take_labelled(orthanc, "another", tmp_path / "third")
            requests.post(f"{server.url}/activelearning/random", json={}, timeout=SECONDS)
            answer = requests.post(train, json=SHORT, timeout=SECONDS)
            assert answer.status_code == 200, answer.text
            assert "one" not in answer.json()

            waiting = a_series("CT", "a third")
            orthanc.take(waiting)
            uid = str(waiting[0].SeriesInstanceUID)
            requests.post(f"{server.url}/activelearning/random", json={}, timeout=SECONDS)
            answer = requests.post(
                f"{server.url}/batch/infer/tiny?images=unlabeled&run_sync=true",
                json={},
                timeout=SECONDS,
            )
            assert answer.status_code == 200, answer.text
            query = {"label": uid, "tag": "original"}
            label = requests.get(f"{server.url}/datastore/label", query, timeout=SECONDS)
            assert label.status_code == 200, label.text
            chosen = requests.post(f"{server.url}/activelearning/uncertain", json={}, timeout=60)
            assert chosen.json()["id"] == uid
            assert chosen.json()["certainty"] is not None
