"""Whatever a PACS does wrong has a name and a remedy, and leaves nothing half-done behind."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from lib.pacs.datastore import UNSENT, PacsDatastore
from lib.pacs.settings import PacsSettings
from tests.apps.pacs.misbehaving import Behaviour, Handler, encoded, misbehaving
from tests.apps.pacs.seeds import a_series, drawn_on
from verisim import files
from verisim.errors import (
    BadSeries,
    Conflict,
    NotFound,
    TooLarge,
    Unavailable,
    UnreadableFile,
    VerisimError,
)
from verisim.serving import free_port

SERIES = a_series("MR", slices=12)
UID = str(SERIES[0].SeriesInstanceUID)


@pytest.fixture
def pacs() -> Iterator[tuple[str, Behaviour]]:
    with misbehaving(SERIES) as running:
        yield running


@pytest.fixture
def behaviour(pacs: tuple[str, Behaviour]) -> Behaviour:
    return pacs[1]


@pytest.fixture
def settings(pacs: tuple[str, Behaviour], tmp_path: Path) -> PacsSettings:
    return PacsSettings(pacs[0], tmp_path / "pacs", read_seconds=0.4, fresh_seconds=0.0)


@pytest.fixture
def store(settings: PacsSettings) -> PacsDatastore:
    return PacsDatastore(settings)


def fetched(store: PacsDatastore) -> list[Path]:
    """Series that the cache holds, whole or not."""
    return list((store.settings.folder / "cache").glob("series/*/*"))


def a_label(store: PacsDatastore, folder: Path) -> Path:
    """A drawn label as the panel saves it."""
    files.write(folder / "label.seg.nrrd", drawn_on(files.read(Path(store.get_image_uri(UID)))))
    return folder / "label.seg.nrrd"


def html(handler: Handler) -> None:
    handler.answer(200, "text/html", b"<html>Please log in</html>")


def status(code: int) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(code, "text/plain", b"no")


def test_a_pacs_that_behaves_is_read_and_stored_to(store: PacsDatastore, tmp_path: Path) -> None:
    assert store.list_images() == [UID]
    assert store.get_labeled_images() == []
    path = a_label(store, tmp_path)
    store.save_label(UID, str(path), "final", {})
    assert store.get_labeled_images() == [UID]
    assert store.status() == {"total": 1, "completed": 1, "label_tags": {"final": 1}}
    back, wanted = (
        files.read_label_map(Path(store.get_label_uri(UID, "final"))),
        drawn_on(files.read(Path(store.get_image_uri(UID)))),
    )
    assert back.labels == wanted.labels
    assert back.shares_grid(wanted)
    np.testing.assert_array_equal(back.array, wanted.array)
    told = store.get_label_info(UID, "final")["label_info"]
    assert [entry["name"] for entry in told] == list(wanted.labels)
    (pair,) = store.datalist()
    assert files.read(Path(pair["image"])).shares_grid(wanted)
    assert Path(store.get_dataset_archive(None)).stat().st_size > 1000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"search": html}, "does not speak DICOMweb"),
        ({"search": lambda h: h.answer(200, "application/json", b'["a", "b"]')}, "does not speak"),
        ({"search": lambda h: h.answer(200, "application/json", b'[{"0')}, "does not speak"),
        ({"search": status(401)}, "credentials"),
        ({"search": status(403)}, "credentials"),
        ({"search": status(500)}, "failed \\(500\\)"),
        ({"search": Handler.wait}, "silent for 0.4 s"),
    ],
)
def test_a_list_that_does_not_come_has_a_reason(
    store: PacsDatastore,
    behaviour: Behaviour,
    change: dict[str, Callable[[Handler], None]],
    words: str,
) -> None:
    vars(behaviour).update(change)
    with pytest.raises(Unavailable, match=words) as told:
        store.list_images()
    assert told.value.remedy
    assert "unavailable" in store.status()  # and not raised
    behaviour.search = None
    assert store.list_images() == [UID]


def test_a_pacs_that_is_down_is_told_and_used_again_once_it_is_up(tmp_path: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/dicom-web"
    store = PacsDatastore(PacsSettings(address, tmp_path / "pacs", fresh_seconds=0.0))
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port} cannot be reached"):
        store.get_image_uri(UID)
    with misbehaving(SERIES, port):
        assert store.list_images() == [UID]


def truncated(handler: Handler) -> None:
    first, *others = handler.behaviour.instances
    handler.send_files([*others, first[:-100]])


def short_header(handler: Handler) -> None:
    handler.send_files([b[:400] for b in handler.behaviour.instances])


def with_a_page(handler: Handler) -> None:
    handler.send_files([*handler.behaviour.instances[:-1], b"<html>Error</html>"])


def of_another(handler: Handler) -> None:
    other = encoded(a_series("MR", "other")[0])
    handler.send_files([*handler.behaviour.instances[:-1], other])


def one_less(handler: Handler) -> None:
    handler.send_files(handler.behaviour.instances[:-1])


def no_end(handler: Handler) -> None:
    handler.send_files(handler.behaviour.instances[:-1], end=False)


def broken_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "multipart/related; boundary=x")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"--x\r\n\r\nabc")
    handler.wfile.flush()
    handler.connection.close()


def silent_halfway(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "multipart/related; boundary=x")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"--x\r\n\r\nabc")
    handler.wfile.flush()
    handler.wait()


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize(
    ("send", "kind", "words"),
    [
        (truncated, BadSeries, "truncated"),
        (short_header, BadSeries, "broken instance|without UID"),
        (with_a_page, BadSeries, "no DICOM file"),
        (of_another, BadSeries, "instance of the series"),
        (one_less, BadSeries, "11 of the 12 instances"),
        (no_end, Unavailable, "broke off after 11"),
        (broken_off, Unavailable, "breaks the connection|broke off"),
        (silent_halfway, Unavailable, "silent"),
        (html, Unavailable, "does not speak DICOMweb"),
        (status(404), NotFound, "404"),
        (status(503), Unavailable, "503"),
        (status(401), Unavailable, "credentials"),
    ],
)
def test_a_broken_series_is_named_and_not_kept(
    store: PacsDatastore,
    behaviour: Behaviour,
    send: Callable[[Handler], None],
    kind: type[VerisimError],
    words: str,
) -> None:
    behaviour.send = send
    with pytest.raises(kind, match=words) as told:
        store.get_image_uri(UID)
    assert told.value.remedy
    assert fetched(store) == []
    behaviour.send = None
    assert len(list(Path(store.get_image_uri(UID)).iterdir())) == len(SERIES)


def test_a_slice_that_is_missing_on_the_pacs_is_found_by_the_reader(
    store: PacsDatastore, behaviour: Behaviour
) -> None:
    del behaviour.instances[5]
    with pytest.raises(BadSeries, match="Missing slice"):
        files.read(Path(store.get_image_uri(UID)))
    with pytest.raises(BadSeries, match="Missing slice"):
        store.image_file(UID)


def test_a_series_that_is_too_large_or_too_slow_is_given_up(
    settings: PacsSettings, behaviour: Behaviour
) -> None:
    small = PacsDatastore(replace(settings, cache_gb=1e-6))
    with pytest.raises(TooLarge, match="larger than the cache"):
        small.get_image_uri(UID)
    hasty = PacsDatastore(replace(settings, fetch_seconds=1e-9))
    with pytest.raises(Unavailable, match="one series"):
        hasty.get_image_uri(UID)
    assert fetched(small) == []


def test_a_series_that_still_comes_in_is_fetched_anew(
    store: PacsDatastore, behaviour: Behaviour
) -> None:
    last = behaviour.instances.pop()
    first = Path(store.get_image_uri(UID))
    behaviour.instances.append(last)
    assert len(list(Path(store.get_image_uri(UID)).iterdir())) == len(SERIES)
    assert first.is_dir()  # somebody may still be reading it


def test_many_who_ask_together_make_one_request(
    store: PacsDatastore, behaviour: Behaviour
) -> None:
    store.list_images()
    threads = [threading.Thread(target=store.get_image_uri, args=(UID,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("/studies/" in path for path in behaviour.asked) == 1


def refuse(reason: int) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.body()
        item = {"00081197": {"vr": "US", "Value": [reason]}}
        failed = {"00081198": {"vr": "SQ", "Value": [item]}}
        handler.answer(202, "application/dicom+json", json.dumps(failed).encode())

    return answer


def refused_with(code: int) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.body()
        handler.answer(code, "text/plain", b"no")

    return answer


def no_receipt(handler: Handler) -> None:
    handler.body()
    handler.answer(200, "text/html", b"<html>Thanks</html>")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refuse(0xC000), Conflict, "reason C000"),
        (refused_with(409), Conflict, "status 409"),
        (refused_with(401), Unavailable, "credentials"),
        (refused_with(500), Unavailable, "500"),
        (no_receipt, Conflict, "does not have it"),
    ],
)
def test_a_label_that_the_pacs_refuses_is_kept_on_the_server(
    store: PacsDatastore,
    behaviour: Behaviour,
    tmp_path: Path,
    answer: Callable[[Handler], None],
    kind: type[VerisimError],
    words: str,
) -> None:
    path = a_label(store, tmp_path)
    behaviour.store = answer
    behaviour.metadata = status(404)
    with pytest.raises(kind, match=words) as told:
        store.save_label(UID, str(path), "final", {"user": "somebody"})
    assert "'unsent'" in told.value.remedy
    assert store.get_labeled_images() == []
    assert Path(store.get_label_uri(UID, UNSENT)).read_bytes() == path.read_bytes()
    assert store.get_label_info(UID, UNSENT)["user"] == "somebody"

    behaviour.store = behaviour.metadata = None
    store.save_label(UID, str(path), "final", {})
    assert store.get_labels_by_image_id(UID) == {"final": UID}


def test_a_label_is_kept_if_no_segmentation_can_refer_to_the_series(
    store: PacsDatastore, behaviour: Behaviour, tmp_path: Path
) -> None:
    for n, instance in enumerate(behaviour.instances):
        header = dcmread(BytesIO(instance))
        del header.FrameOfReferenceUID
        behaviour.instances[n] = encoded(header)
    path = a_label(store, tmp_path)
    with pytest.raises(BadSeries, match="Frame Of Reference") as told:
        store.save_label(UID, str(path), "final", {})
    assert "'unsent'" in told.value.remedy
    assert behaviour.stored == []
    assert Path(store.get_label_uri(UID, UNSENT)).is_file()


def test_a_label_is_kept_while_the_pacs_is_down(
    store: PacsDatastore, behaviour: Behaviour, tmp_path: Path
) -> None:
    path = a_label(store, tmp_path)
    behaviour.search = status(503)
    with pytest.raises(Unavailable):
        store.save_label(UID, str(path), "final", {})
    assert Path(store.get_label_uri(UID, UNSENT)).is_file()


def test_a_label_without_a_known_kind_is_refused(store: PacsDatastore, tmp_path: Path) -> None:
    (tmp_path / "label.txt").write_text("1")
    with pytest.raises(UnreadableFile):
        store.save_label(UID, str(tmp_path / "label.txt"), "draft", {})
    assert store.get_label_uri(UID, "draft") == ""


def test_a_segmentation_that_nobody_can_read_does_not_count(
    store: PacsDatastore, behaviour: Behaviour, tmp_path: Path
) -> None:
    path = a_label(store, tmp_path)
    store.save_label(UID, str(path), "final", {})
    good = behaviour.stored[0]
    store.save_label(UID, str(path), "final", {})
    newer = behaviour.stored[1]
    newer.ContentDate = "20991231"
    newer.PixelData = newer.PixelData[:4]

    found = store.get_label_uri(UID, "final")
    assert files.read_label_map(Path(found)).array.any()
    assert store.get_label_info(UID, "final")["SeriesInstanceUID"] == good.SeriesInstanceUID
    behaviour.stored.remove(good)
    assert store.get_label_uri(UID, "final") == ""
    assert store.get_unlabeled_images() == [UID]


@pytest.mark.parametrize("metadata", [status(500), html])
def test_metadata_that_cannot_be_had_hides_a_label_and_nothing_else(
    store: PacsDatastore,
    behaviour: Behaviour,
    tmp_path: Path,
    metadata: Callable[[Handler], None],
) -> None:
    store.save_label(UID, str(a_label(store, tmp_path)), "final", {})
    behaviour.metadata = metadata
    other = PacsDatastore(store.settings)
    assert other.list_images() == [UID]
    assert other.get_labeled_images() == []
    behaviour.metadata = None
    assert other.get_labeled_images() == [UID]


def test_credentials_are_sent_and_the_patient_is_not_told(
    settings: PacsSettings, behaviour: Behaviour
) -> None:
    seen: list[str] = []

    def look(handler: Handler) -> None:
        seen.append(handler.headers.get("Authorization", ""))
        Handler.tell_series(handler)

    behaviour.search = look
    PacsDatastore(replace(settings, user=("doctor", "secret"))).list_images()
    PacsDatastore(replace(settings, token="a-token")).list_images()
    assert {word.split()[0] for word in seen} == {"Basic", "Bearer"}
    assert "Bearer a-token" in seen
    told = replace(settings, user=("doctor", "secret"), token="a-token")
    assert "secret" not in repr(told)
    assert "a-token" not in repr(told)
    header: Dataset = SERIES[0]
    info = json.dumps(PacsDatastore(settings).json())
    assert str(header.PatientName) not in info
    assert f'"{header.PatientID}"' not in info
