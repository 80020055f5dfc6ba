"""The app's parts on their own."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send
from torch import nn

from lib import errors as app_errors
from lib.loaded import LoadedModels
from lib.middleware import UploadLimit
from lib.models import Models
from lib.options import Options, read_options
from lib.sessions import SafeSessions
from tests.apps.running import a_tiny_model
from verisim import errors
from verisim.card import ModelCard
from verisim.jobs.training import sparing_a_core
from verisim.segmentation import NetworkSegmenter


def every_error(kind: type[errors.VerisimError]) -> Iterator[type[errors.VerisimError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from every_error(child)


@pytest.mark.parametrize("kind", list(every_error(errors.VerisimError)))
def test_every_error_of_the_library_has_a_status_that_is_not_500(
    kind: type[errors.VerisimError],
) -> None:
    told = app_errors.problem(kind("What.", "How."))
    assert told.status in {400, 404, 409, 413, 422, 429, 503}
    assert (told.code, told.message, told.remedy) == (kind.code, "What.", "How.")


def test_an_error_that_nobody_expected_keeps_its_details_in_the_log() -> None:
    told = app_errors.problem(ValueError("the secret path /srv/x"))
    assert told.status == 500
    assert "secret" not in told.message


def test_no_memory_is_no_fault_of_the_server() -> None:
    assert app_errors.problem(MemoryError()).status == 413


def test_a_model_is_loaded_once_and_the_longest_unused_is_let_go(tmp_path: Path) -> None:
    cards = [a_tiny_model(tmp_path, name) for name in ("a", "b", "c")]
    loaded = LoadedModels(2, Models(tmp_path))
    first = _network_of(loaded, cards[0])
    assert _network_of(loaded, cards[0])() is first() is not None
    for card in cards[1:]:
        _network_of(loaded, card)
    gc.collect()
    assert first() is None


def _network_of(loaded: LoadedModels, card: ModelCard) -> weakref.ref[nn.Module]:
    segmenter = loaded.segmenter(card, "cpu")
    assert isinstance(segmenter, NetworkSegmenter)
    return weakref.ref(segmenter.network)


def test_a_model_that_appears_while_the_server_runs_is_offered(tmp_path: Path) -> None:
    models = Models(tmp_path)
    assert models.names == ()
    a_tiny_model(tmp_path, "late")
    assert models.names == ("late",)


def test_an_expired_session_is_gone(tmp_path: Path) -> None:
    sessions = SafeSessions(str(tmp_path / "sessions"), 3600)
    (tmp_path / "a.nii.gz").write_bytes(b"x")
    session_id, session = sessions.add_session(str(tmp_path / "a.nii.gz"))
    assert sessions.get_session(session_id) is not None
    session.last_access_ts = int(time.time()) - 3601
    assert sessions.get_session(session_id) is None
    assert not list((tmp_path / "sessions").iterdir())


def test_the_cleaning_of_sessions_leaves_other_folders_alone(tmp_path: Path) -> None:
    sessions = SafeSessions(str(tmp_path), 3600)
    (tmp_path / "somebody's").mkdir()
    assert sessions.remove_expired() == 0
    assert (tmp_path / "somebody's").is_dir()


def test_options_are_read_from_the_pairs_of_the_command_line(tmp_path: Path) -> None:
    options = read_options({"max_upload_mb": "3", "models": str(tmp_path)}, Path("app"))
    app = Path("app").absolute()
    folders = {"jobs": app / "kept-jobs", "uploads": app / "kept-uploads"}
    assert options == Options(models=tmp_path, max_upload_mb=3, **folders)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_an_option_that_is_no_count_is_refused(value: str) -> None:
    with pytest.raises(errors.BadInput, match="max_upload_mb"):
        read_options({"max_upload_mb": value}, Path("app"))


def test_a_body_of_unknown_length_is_refused_when_it_has_grown_too_large() -> None:
    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass

    async def endless() -> Message:
        return {"type": "http.request", "body": b"0" * 300_000, "more_body": True}

    async def unheard(message: Message) -> None:
        raise AssertionError(message)

    limited = UploadLimit(reading, limit_mb=1)
    with pytest.raises(HTTPException) as caught:
        asyncio.run(limited({"type": "http", "headers": []}, endless, unheard))
    assert caught.value.status_code == 413


def test_a_body_within_the_limit_passes() -> None:
    sizes: list[int] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        sizes.append(len((await receive())["body"]))

    async def short() -> Message:
        return {"type": "http.request", "body": json.dumps([1]).encode(), "more_body": False}

    async def unheard(message: Message) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "headers": [(b"content-length", b"3")]}
    asyncio.run(UploadLimit(reading, limit_mb=1)(scope, short, unheard))
    assert sizes == [3]


def test_training_leaves_a_core_and_gives_it_back_afterwards() -> None:
    before = torch.get_num_threads()
    with sparing_a_core():
        assert 1 <= torch.get_num_threads() <= before
    assert torch.get_num_threads() == before
