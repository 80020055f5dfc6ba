"""Many cases in one request, on a machine with or without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monailabel.datastore.local import LocalDatastore
from monailabel.interfaces.datastore import Datastore

from lib.batch import BatchInference
from tests.apps.studies import open_studies, write_case
from verisim.errors import NotFound, UnreadableFile

STOCK = {"device": "cuda", "multi_gpu": True, "gpus": "all", "max_workers": 1, "model": "tiny"}
"""What MONAI Label's route asks for when the client asks for nothing."""


class Recorder:
    """An inference that notes what it was asked for, and fails for one case."""

    def __init__(self, failing: str = "") -> None:
        self.asked: list[dict[str, Any]] = []
        self._failing = failing

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        if request["image"] == self._failing:
            raise UnreadableFile(f"{self._failing} is empty.", "Copy it again.")
        self.asked.append(request)
        return {"label": request["image"], "params": {"certainty": 0.5}}

    @property
    def names(self) -> list[str]:
        """The cases that were asked for, sorted."""
        return sorted(request["image"] for request in self.asked)


@pytest.fixture
def studies(tmp_path: Path) -> LocalDatastore:
    """The labelled case a and the unlabelled cases b and c."""
    for name, tags in {"a": ["final"], "b": [], "c": []}.items():
        write_case(tmp_path, name, seed=1, tags=tags)
    return open_studies(tmp_path)


@pytest.mark.parametrize(
    ("images", "wanted"),
    [
        ("all", ["a", "b", "c"]),
        ("labeled", ["a"]),
        ("unlabeled", ["b", "c"]),
        (["c", "a"], ["a", "c"]),
    ],
)
def test_the_images_that_were_asked_for_are_segmented(
    images: str | list[str], wanted: list[str], studies: LocalDatastore
) -> None:
    infer = Recorder()
    answers = BatchInference()(STOCK | {"images": images}, studies, infer)
    assert infer.names == sorted(answers) == wanted


def test_labels_are_saved_as_original_unless_another_tag_is_named(
    studies: LocalDatastore,
) -> None:
    infer = Recorder()
    BatchInference()(STOCK | {"images": ["a"]}, studies, infer)
    BatchInference()(STOCK | {"images": ["a"], "label_tag": "second"}, studies, infer)
    assert [request["label_tag"] for request in infer.asked] == ["original", "second"]
    assert all(request["save_label"] is True for request in infer.asked)


def test_a_request_for_a_gpu_runs_on_the_processor_where_there_is_none(
    studies: LocalDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    infer = Recorder()
    BatchInference()(STOCK | {"images": "all"}, studies, infer)
    assert {request["device"] for request in infer.asked} == {"cpu"}


def test_at_most_as_many_cases_as_were_asked_for_are_segmented(studies: LocalDatastore) -> None:
    infer = Recorder()
    BatchInference()(STOCK | {"images": "all", "max_batch_size": 2}, studies, infer)
    assert infer.names == ["a", "b"]


def test_a_case_that_fails_tells_why_and_stops_no_other(studies: LocalDatastore) -> None:
    answers = BatchInference()(STOCK | {"images": "all"}, studies, Recorder(failing="b"))
    assert answers["b"] == {"error": "b is empty. Copy it again."}
    assert answers["a"]["params"]["certainty"] == answers["c"]["params"]["certainty"] == 0.5


def test_a_name_that_is_no_case_is_not_opened(studies: LocalDatastore) -> None:
    infer = Recorder()
    outside = "/etc/hostname"
    answers = BatchInference()(STOCK | {"images": ["a", outside]}, studies, infer)
    assert infer.names == ["a"]
    assert "There is no case" in answers[outside]["error"]


def test_a_batch_in_which_everything_fails_is_an_error(studies: LocalDatastore) -> None:
    with pytest.raises(NotFound, match="There is no case 'x'"):
        BatchInference()(STOCK | {"images": ["x", "y"]}, studies, Recorder())


def test_no_case_at_all_is_answered_with_nothing(tmp_path: Path) -> None:
    assert BatchInference()(STOCK | {"images": "all"}, open_studies(tmp_path), Recorder()) == {}
