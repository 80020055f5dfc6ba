"""Whatever a PACS does wrong has a name and a remedy, and leaves nothing half-done behind."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from lib.pacs.datastore import PacsDatastore
from lib.pacs.settings import PacsSettings
from tests.apps.pacs.conftest import SERIES, UID
from tests.apps.pacs.misbehaving import Behaviour, Handler, encoded, html, misbehaving, status
from tests.apps.pacs.seeds import a_series
from verisim import files
from verisim.errors import (
    BadSeries,
    NotFound,
    TooLarge,
    Unavailable,
    VerisimError,
)
from verisim.serving import free_port


def fetched(store: PacsDatastore) -> list[Path]:
    """Series that the cache holds, whole or not."""
    return list((store.settings.folder / "cache").glob("series/*/*"))


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
        (truncated, BadSeries, "damaged: the element .* ends at byte"),
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
