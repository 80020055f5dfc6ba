"""One running server for all tests of the app."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.running import Server, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server with the model "tiny" and the images "case_1" and "case_2"."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def nothing_is_left_behind(server: Server) -> Iterator[None]:
    """Folders of the server hold after the test what they held before."""
    before = _everything(server)
    yield
    assert _everything(server) == before


def _everything(server: Server) -> set[Path]:
    folders = (server.temporary, server.studies, server.app / "model")
    return {path for folder in folders for path in folder.rglob("*")}
