"""A label reaches the PACS and is found there, or is kept on the server with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from lib.pacs.datastore import UNSENT, PacsDatastore
from tests.apps.pacs.conftest import UID
from tests.apps.pacs.misbehaving import Behaviour, Handler, encoded, html, status
from tests.apps.pacs.seeds import drawn_on
from verisim import files
from verisim.errors import (
    BadSeries,
    Conflict,
    Unavailable,
    UnreadableFile,
    VerisimError,
)


def a_label(store: PacsDatastore, folder: Path) -> Path:
    """A drawn label as the panel saves it."""
    files.write(folder / "label.seg.nrrd", drawn_on(files.read(Path(store.get_image_uri(UID)))))
    return folder / "label.seg.nrrd"


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
