"""One running server for all tests of the app."""

from collections.abc import Iterator

import pytest

from tests.apps.running import Server, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The real server with the model "tiny" and the images "case_1" and "case_2"."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started
