"""Settings, the cache, shared answers, and what is read from a PACS's lists."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.pacs.cache import Cache
from lib.pacs.holdings import image_series, stored_segmentation
from lib.pacs.kept_labels import KeptLabels
from lib.pacs.remembered import Remembered
from lib.pacs.settings import read_settings
from lib.pacs.translation import write_segmentation
from tests.apps.pacs.seeds import a_series, drawn_on
from verisim import files
from verisim.errors import BadInput, StorageFailed
from verisim.volume import LabelMap

URL = "http://127.0.0.1:8042/dicom-web"


def test_settings_are_read_from_what_the_person_says(tmp_path: Path) -> None:
    conf = {
        "pacs_folder": str(tmp_path),
        "pacs_modalities": "mr, us",
        "pacs_filter": "StudyDate=20260101-&BodyPartExamined=BRAIN",
        "pacs_read_seconds": "2.5",
    }
    settings = read_settings(f"{URL}/", conf)
    assert settings.url == URL
    assert settings.host == "127.0.0.1:8042"
    assert settings.modalities == ("MR", "US")
    assert settings.filters == {"StudyDate": "20260101-", "BodyPartExamined": "BRAIN"}
    assert settings.read_seconds == 2.5
    assert settings.folder.parent == tmp_path
    assert read_settings("https://other/dicom-web", conf).folder != settings.folder


@pytest.mark.parametrize(
    ("url", "conf"),
    [
        ("ftp://host/dicom-web", {}),
        ("http:///dicom-web", {}),
        ("http://doctor:secret@host/dicom-web", {}),
        (URL, {"pacs_modalities": " , "}),
        (URL, {"pacs_modalities": "MR;DROP"}),
        (URL, {"pacs_filter": "NoKeyword=1"}),
        (URL, {"pacs_filter": "nothing"}),
        (URL, {"pacs_cache_gb": "0"}),
        (URL, {"pacs_cache_gb": "much"}),
        (URL, {"pacs_read_seconds": "inf"}),
    ],
)
def test_settings_that_cannot_be_used_are_refused(url: str, conf: dict[str, str]) -> None:
    with pytest.raises(BadInput) as told:
        read_settings(url, conf)
    assert told.value.remedy
    assert "secret" not in str(told.value)


def made(text: str = "x") -> Any:  # noqa: ANN401
    return lambda path: path.write_text(text)


def test_the_cache_makes_a_thing_once_and_deletes_what_is_too_old(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", gb=1, hours=1, patience=5)
    calls: list[Path] = []

    def make(path: Path) -> None:
        calls.append(path)
        path.write_text("once")

    paths = {cache.kept("a", "b", "c", make) for _ in range(3)}
    assert len(calls) == 1
    (path,) = paths
    os.utime(path, (1, 1))
    other = Cache(tmp_path / "c", gb=1, hours=1, patience=5).kept("a", "b", "d", made())
    assert not path.exists()
    assert other.exists()


def test_the_cache_is_bounded_and_spares_what_is_in_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", gb=25e-9, hours=9, patience=5)
    paths = [cache.kept("a", "b", str(n), made("ten bytes.")) for n in range(4)]
    for n, path in enumerate(paths[:3]):
        os.utime(path, (time.time() - 3600 * (n + 1),) * 2)
    Cache(tmp_path / "c", gb=25e-9, hours=9, patience=5).prune()
    assert [path.exists() for path in paths] == [True, False, False, True]


def test_what_could_not_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", gb=1, hours=1, patience=5)

    def fails(path: Path) -> None:
        path.mkdir()
        (path / "half").write_text("half")
        raise BadInput("No.", "Yes.")

    with pytest.raises(BadInput):
        cache.kept("a", "b", "c", fails)
    assert list((tmp_path / "c" / "a" / "b").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("a file where the folder should be")
    with pytest.raises(StorageFailed):
        Cache(tmp_path / "c", gb=1, hours=1, patience=5)


def test_a_slow_question_is_asked_once_for_all_who_wait() -> None:
    go, asked = threading.Event(), []

    def ask() -> int:
        asked.append(1)
        go.wait(10)
        return len(asked)

    remembered = Remembered(ask, seconds=60)
    with pytest.raises(TimeoutError):
        remembered.answer(wait=0.01)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(remembered.answer())) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert answers == [1] * 5
    remembered.forget()
    assert remembered.answer() == 2


def test_a_failure_is_remembered_like_an_answer() -> None:
    asked = []

    def ask() -> None:
        asked.append(1)
        raise BadInput("No.", "Yes.")

    remembered = Remembered(ask, seconds=60)
    for _ in range(3):
        with pytest.raises(BadInput):
            remembered.answer()
    assert len(asked) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"0020000E": {"vr": "UI", "Value": ["1.2"]}},
        {"0020000E": {"Value": ["../1"]}, "0020000D": {"Value": ["1.2"]}},
        {"0020000E": {"Value": [None]}, "0020000D": {"Value": []}},
        {"0020000E": "1.2", "0020000D": ["1.2"]},
        {"0020000E": {"Value": {"a": 1}}, "0020000D": {"Value": 5}},
    ],
)
def test_entries_that_identify_no_series_are_left_out(entry: dict[str, Any]) -> None:
    assert image_series(entry) is None
    assert stored_segmentation(entry) is None


def test_a_patient_is_known_by_a_pseudonym() -> None:
    def entry(patient: str) -> dict[str, Any]:
        uids = {"0020000E": {"Value": ["1.2"]}, "0020000D": {"Value": ["1.3"]}}
        return {**uids, "00100020": {"vr": "LO", "Value": [patient]}}

    one, same, other = (image_series(entry(p)) for p in ("12345", "12345", "12346"))
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.subject == same.subject != other.subject
    assert "12345" not in repr(one)


def test_labels_of_ids_that_begin_alike_are_kept_apart(tmp_path: Path) -> None:
    kept = KeptLabels(tmp_path / "labels")
    (tmp_path / "a.nii.gz").write_bytes(b"a")
    (tmp_path / "b.seg.nrrd").write_bytes(b"b")
    kept.save("1.2.3", "draft", tmp_path / "a.nii.gz", {"user": "x"})
    assert kept.path("1.2", "draft") is None
    kept.save("1.2", "draft", tmp_path / "a.nii.gz", {})
    kept.save("1.2", "draft", tmp_path / "b.seg.nrrd", {})
    path = kept.path("1.2", "draft")
    assert path is not None
    assert path.read_bytes() == b"b"
    assert kept.tags("1.2") == kept.tags("1.2.3") == ["draft"]
    kept.remove("1.2", "draft")
    assert kept.tags("1.2") == []
    assert kept.note("1.2.3", "draft")["user"] == "x"


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "series"
    folder.mkdir()
    for n, instance in enumerate(a_series("MR")):
        instance.save_as(folder / f"{n}.dcm", write_like_original=False)
    return folder


def test_a_segmentation_uploaded_as_dicom_is_written_again_in_place(
    series: Path, tmp_path: Path
) -> None:
    label_map = drawn_on(files.read(series))
    files.write(tmp_path / "label.dcm", label_map, reference=series)
    write_segmentation(tmp_path / "label.dcm", series, {}, tmp_path / "out.dcm")
    back = files.read_label_map(tmp_path / "out.dcm")
    assert list(back.labels) == list(label_map.labels)
    np.testing.assert_array_equal(back.resampled_like(label_map).array, label_map.array)


@pytest.mark.parametrize(
    "info",
    [
        {"label_info": [{"name": "a", "idx": 1}, {"name": "b", "idx": 1}]},
        {"label_info": [{"name": "a", "idx": 0}]},
        {"label_info": [{"name": "a", "idx": 7}]},
    ],
)
def test_names_that_contradict_the_label_are_refused(
    series: Path, tmp_path: Path, info: dict[str, Any]
) -> None:
    files.write(tmp_path / "label.nii.gz", drawn_on(files.read(series)))
    with pytest.raises(BadInput):
        write_segmentation(tmp_path / "label.nii.gz", series, info, tmp_path / "out.dcm")
    assert not (tmp_path / "out.dcm").exists()


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"label_info": "nonsense"},
        {"label_info": [None, {"name": "x"}]},
        {"label_info": [{"name": "a", "idx": 1, "color": "red"}]},
        {"params": {"label_names": {"a": 1}, "label_colors": {"a": [2, 999, -1]}}},
    ],
)
def test_what_clients_say_of_a_label_may_be_odd(
    series: Path, tmp_path: Path, info: dict[str, Any]
) -> None:
    image = files.read(series)
    label_map = LabelMap((drawn_on(image).array > 0).astype(np.uint8), image.affine, {"a": 1})
    files.write(tmp_path / "label.nii.gz", label_map)
    write_segmentation(tmp_path / "label.nii.gz", series, info, tmp_path / "out.dcm")
    assert len(files.read_label_map(tmp_path / "out.dcm").labels) == 1
