"""MONAI Label's own client, which knows nothing of this app, against the running server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from monailabel.client import MONAILabelClient

from tests.apps.running import Server, running
from tests.apps.studies import SIDE, a_labelled_pair
from verisim import files
from verisim.installed import find_card
from verisim.volume import Volume

pytestmark = [  # the client leaves its sockets and files to the garbage collector
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <(socket|_io).*:pytest.PytestUnraisableExceptionWarning"
    ),
    pytest.mark.filterwarnings("ignore:unclosed <(socket|_io):ResourceWarning"),
]

BOXES = {f"box_{k}": k for k in range(5)}
"""Cases with a bright and a dark box, by the seed of their noise; 0 to 2 get final labels."""

SECONDS = 120
"""No job of these tests takes longer."""

TRAINING = {"max_epochs": 1, "iterations_per_epoch": 40, "learning_rate": 1e-2, "val_split": 0.5}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, since labels and versions of the model change here."""
    with running(tmp_path_factory.mktemp("client")) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> MONAILabelClient:
    """The client, after it has uploaded the cases and three final labels."""
    folder = tmp_path_factory.mktemp("uploads")
    client = MONAILabelClient(server.url, tmpdir=str(folder))
    for name, seed in BOXES.items():
        volume, label_map = a_labelled_pair(seed)
        image, label = folder / f"{name}.nii.gz", folder / f"{name}_label.nii.gz"
        files.write(image, volume)
        files.write(label, label_map)
        client.upload_image(str(image), name)
        if seed < 3:
            client.save_label(name, str(label), tag="final")
    return client


def awaited(
    ask: Callable[[], dict[str, Any]], good: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The first good answer to a question that is asked again and again."""
    deadline = time.monotonic() + SECONDS
    while not good(answer := ask()):
        assert time.monotonic() < deadline, f"still {answer}"
        time.sleep(0.2)
    return answer


def ended(task: dict[str, Any]) -> bool:
    """Whether a job has come to its end."""
    return task["status"] not in ("SUBMITTED", "RUNNING")


def label_info(client: MONAILabelClient, name: str, tag: str) -> dict[str, Any]:
    """What the datastore knows of a label."""
    told: dict[str, Any] = client.datastore()["objects"][name]["labels"][tag]["info"]
    return told


def check_label_map(path: str, volume: Volume) -> None:
    """The answer lies on the volume's voxels and holds nothing but the model's labels."""
    label_map = files.read_label_map(Path(path))
    assert label_map.shares_grid(volume)
    assert set(np.unique(label_map.array)) <= {0, 1, 2}


def test_info_lists_what_the_server_offers(client: MONAILabelClient) -> None:
    info = client.info()
    assert info["models"]["tiny"]["labels"] == {"anterior": 1, "posterior": 2}
    assert info["trainers"]["tiny"]["config"]["max_epochs"] >= 1
    assert {"random", "uncertain"} <= info["strategies"].keys()
    assert "dice" in info["scoring"]
    assert "tiny" in info["train_stats"]
    assert info["datastore"]["completed"] >= 3


def test_an_image_of_the_datastore_is_segmented(client: MONAILabelClient, server: Server) -> None:
    path, params = client.infer("tiny", "case_1", {})
    check_label_map(path, files.read(server.studies / "case_1.nii.gz"))
    assert params["label_names"] == {"anterior": 1, "posterior": 2}
    assert 0 <= params["certainty"] <= 1


def test_an_uploaded_session_is_segmented_like_the_same_image_of_the_datastore(
    client: MONAILabelClient, server: Server
) -> None:
    image = server.studies / "case_2.nii.gz"
    session = client.create_session(str(image))["session_id"]
    path, _ = client.infer("tiny", "", {}, session_id=session)
    check_label_map(path, files.read(image))
    by_session = files.read_label_map(Path(path)).array.copy()
    path, _ = client.infer("tiny", "case_2", {})
    assert np.array_equal(files.read_label_map(Path(path)).array, by_session)
    client.remove_session(session)


def test_a_saved_label_comes_back_as_it_was(client: MONAILabelClient) -> None:
    path = client.download_label("box_1", "final")
    _, label_map = a_labelled_pair(BOXES["box_1"])
    saved = files.read_label_map(Path(path))
    assert np.array_equal(saved.array, label_map.array)
    assert saved.shares_grid(label_map)


def test_random_offers_the_same_unlabelled_case_for_the_same_seed(
    client: MONAILabelClient,
) -> None:
    samples = {client.next_sample("random", {"seed": 3})["id"] for _ in range(3)}
    assert len(samples) == 1
    assert samples <= {"case_1", "case_2", "box_3", "box_4"}


def test_batch_inference_stores_the_certainties_that_uncertain_goes_by(
    client: MONAILabelClient, server: Server
) -> None:
    batch = f"{server.url}/batch/infer"
    started = requests.post(f"{batch}/tiny?images=unlabeled", timeout=SECONDS)
    assert started.ok, started.text
    task = awaited(lambda: requests.get(f"{batch}", timeout=SECONDS).json(), ended)
    assert task["status"] == "DONE", task["details"]
    names = ["box_3", "box_4", "case_1", "case_2"]
    stored = {n: label_info(client, n, "original")["params"]["certainty"] for n in names}
    sample = client.next_sample("uncertain", {})
    assert sample["id"] == min(names, key=lambda n: (stored[n], n))
    assert sample["certainty"] == stored[sample["id"]]
    label = client.download_label("box_3", "original")
    check_label_map(label, Volume(np.zeros((SIDE,) * 3), np.eye(4)))


def test_listed_images_are_segmented_and_scored_against_the_final_labels(
    client: MONAILabelClient, server: Server
) -> None:
    listed = {"images": ["box_0", "box_2"], "device": "cpu"}
    batch = f"{server.url}/batch/infer/tiny?run_sync=true"
    answers = requests.post(batch, json=listed, timeout=SECONDS).json()
    assert sorted(answers) == listed["images"]
    scores = requests.post(f"{server.url}/scoring/dice?run_sync=true", timeout=SECONDS).json()
    assert {"box_0", "box_2"} <= scores.keys()
    assert scores["box_0"].keys() == {"mean", "anterior", "posterior"}
    stored = label_info(client, "box_0", "original")["dice"]
    assert stored == {"against": "final", **scores["box_0"]}


def test_one_epoch_of_training_comes_to_a_better_version_that_is_used_at_once(
    client: MONAILabelClient, server: Server
) -> None:
    present = find_card("tiny", server.models)
    client.train_start("tiny", TRAINING)
    task = awaited(client.train_status, ended)
    assert task["status"] == "DONE", task["details"]
    info = client.info()
    answer = info["train_stats"]["tiny"]["answer"]
    assert answer["dice_after"] > answer["dice_before"]
    assert answer["version"] == present.version + 1
    assert info["models"]["tiny"]["version"] == answer["version"]
    assert present.load() is not None  # the files of the old version are still there
    _, params = client.infer("tiny", "box_4", {})
    assert params["model"]["version"] == answer["version"]


@pytest.mark.parametrize(
    ("wrong", "status"), [({"max_epochs": 0}, 400), ({"subject_pattern": "(box)"}, 422)]
)
def test_a_training_that_cannot_begin_is_refused_at_once(
    wrong: dict[str, Any], status: int, client: MONAILabelClient, server: Server
) -> None:
    answer = requests.post(f"{server.url}/train/tiny", json=wrong, timeout=SECONDS)
    assert answer.status_code == status
    assert answer.json().keys() >= {"code", "message", "remedy"}
    assert not client.train_status(check_if_running=True)


def test_a_training_that_is_stopped_leaves_no_model(
    client: MONAILabelClient, server: Server
) -> None:
    before = {path.name for path in server.models.iterdir() if path.is_file()}
    client.train_start("tiny", TRAINING | {"max_epochs": 1000})
    started = time.time()
    awaited(
        lambda: client.info()["train_stats"]["tiny"],
        lambda stats: stats.get("start_ts", 0) >= int(started) and stats["epoch"] > 0,
    )
    assert client.train_status(check_if_running=True)
    client.train_stop()
    assert client.train_status()["status"] == "STOPPED"
    assert not client.train_status(check_if_running=True)
    assert {path.name for path in server.models.iterdir() if path.is_file()} == before
    path, _ = client.infer("tiny", "case_1", {})
    check_label_map(path, files.read(server.studies / "case_1.nii.gz"))


def test_nothing_is_scored_unasked(client: MONAILabelClient, server: Server) -> None:
    client.next_sample("random", {"seed": 1})  # MONAI Label's default is to score after each
    assert requests.get(f"{server.url}/scoring/", timeout=SECONDS).status_code == 404


def test_the_logs_of_the_server_tell_of_no_failure(
    client: MONAILabelClient, server: Server
) -> None:
    client.info()
    assert "Traceback" not in server.log.read_text(errors="replace")
