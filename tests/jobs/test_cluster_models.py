"""Models travel to workers that do not have them, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.apps.running import a_tiny_model
from tests.jobs import test_training
from tests.jobs.clusters import Heard, Machines, eventually, machines
from tests.jobs.test_segmenting import a_task
from verisim import files
from verisim.card import ModelCard, sha256_of
from verisim.dataset import Dataset
from verisim.errors import Cancelled, NotFound
from verisim.jobs.cluster import Cluster
from verisim.jobs.kind import Here
from verisim.jobs.models_along import Weights, keep, kept_folder, lay, missing
from verisim.jobs.segmenting import Segmenting
from verisim.jobs.training import Training

dataset, card = test_training.dataset, test_training.card


class StopsInTraining(Heard):
    """Asks to stop once the cases were looked at."""

    def advance(self, done: int, total: int, message: str = "") -> None:
        """Hear of a step."""
        self.stop = total > 0 and not message.startswith("looking")
        super().advance(done, total, message)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A worker."""
    with machines(tmp_path_factory.mktemp("one")) as found:
        found.worker()
        yield found


def test_a_model_of_the_server_is_sent_once_and_answers_the_same(
    one: Machines, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    card = a_tiny_model(tmp_path / "models")
    kind, cluster = Segmenting((tmp_path / "models",)), Cluster(one.address)
    for name in ("here", "there", "again", "mended"):
        (tmp_path / name).mkdir()
    here = a_task(tmp_path / "here")
    expected = Here().run(kind, here, Heard())
    kept = one.folder / "weights" / f"{card.sha256}.safetensors"
    for name in ("there", "again", "mended"):
        task = a_task(tmp_path / name)
        answer = cluster.run(kind, task, Heard())
        assert answer["volumes_ml"] == expected["volumes_ml"]
        found, true = (
            files.read_label_map(one.results / "label.nrrd").array for one in (task, here)
        )
        assert np.array_equal(found, true)
        if name == "there":
            sent = kept.stat()
        if name == "again":
            assert kept.stat().st_ino == sent.st_ino
            kept.write_bytes(b"damaged")
    assert kept.stat().st_size == sent.st_size
    cluster.close()


def test_maps_come_back_from_a_worker_as_they_are_made_here(one: Machines, tmp_path: Path) -> None:
    a_tiny_model(tmp_path)
    kind, cluster = Segmenting((tmp_path,)), Cluster(one.address)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = (
        a_task(tmp_path / name, outputs=["probability", "uncertainty"])
        for name in ("here", "there")
    )
    assert cluster.run(kind, there, Heard())["maps"] == Here().run(kind, here, Heard())["maps"]
    cluster.close()
    names = {path.name for path in here.results.iterdir()}
    assert names == {path.name for path in there.results.iterdir()}
    assert {name.partition("-")[0] for name in names - {"label.nrrd"}} == {
        "probability",
        "uncertainty.nrrd",
    }
    for name in names:
        found, true = (files.read(one.results / name).array for one in (there, here))
        np.testing.assert_allclose(found, true, atol=1e-3)  # it may compute with other threads


def test_a_model_that_the_server_has_not_is_refused(one: Machines, tmp_path: Path) -> None:
    cluster = Cluster(one.address)
    with pytest.raises(NotFound, match="nonsense"):
        cluster.run(Segmenting((tmp_path,)), a_task(tmp_path, model="nonsense"), Heard())
    cluster.close()


def test_a_training_stopped_on_a_worker_goes_on_there_and_its_model_lands_on_the_server(
    one: Machines, card: ModelCard, dataset: Dataset, tmp_path: Path
) -> None:
    cluster, kind = Cluster(one.address), Training((card.folder,), card.folder)
    options = {**test_training.OPTIONS, "name": "fresh", "channel": "MR"}
    task = test_training.a_task(tmp_path, dataset, model="new_model", options=options)
    heard = StopsInTraining()
    with pytest.raises(Cancelled):
        cluster.run(kind, task, heard)
    eventually(lambda: not one.left(), one.left)
    assert (task.scratch / "run" / "plan.toml").is_file()
    answer = kind.settle(task, cluster.run(kind, task, Heard()))
    assert answer["model"] == "fresh"
    assert (card.folder / "fresh-v1.safetensors").is_file()
    assert "report.json" in {path.name for path in task.results.iterdir()}
    cluster.close()


def test_weights_that_were_not_used_for_longest_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERISIM_WEIGHTS", str(tmp_path / "kept"))
    monkeypatch.setattr("verisim.jobs.models_along.MOST_BYTES", 25)
    all_of_them = []
    for n in range(3):
        path = tmp_path / f"model-v{n}.safetensors"
        path.write_bytes(b"%010d" % n)
        weights = Weights(path.name, sha256_of(path))
        keep(weights, path)
        all_of_them.append(weights)
    assert missing(all_of_them) == all_of_them[:1]
    assert len(list(kept_folder().iterdir())) == 2
    lay(all_of_them[2], tmp_path / "kept")
    assert (tmp_path / "kept" / "model-v2.safetensors").read_bytes() == b"0000000002"
