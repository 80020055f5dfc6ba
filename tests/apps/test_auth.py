"""With authentication on, the routes that replace stock ones ask for a token as those did."""

from collections.abc import Iterator

import pytest
import requests

from tests.apps.running import Server, running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that was started with authentication."""
    with running(
        tmp_path_factory.mktemp("guarded"), env={"MONAI_LABEL_AUTH_ENABLE": "true"}
    ) as started:
        yield started


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "info/"),
        ("POST", "infer/tiny?image=case_1"),
        ("PUT", "session/"),
        ("PUT", "datastore/image?image=x"),
        ("PUT", "datastore/label?image=case_1"),
        ("GET", "datastore/dataset"),
        ("POST", "train/tiny"),
        ("POST", "scoring/dice"),
        ("POST", "activelearning/random"),
        ("POST", "batch/infer/tiny"),
        ("POST", "reload"),
        ("DELETE", "model/tiny"),
    ],
)
def test_a_caller_without_a_token_is_turned_away(guarded: Server, method: str, path: str) -> None:
    body = {"file": ("x.nii.gz", b"x"), "files": ("x", b"x"), "label": ("x.nii.gz", b"x")}
    files = body if method == "PUT" else None
    response = requests.request(method, f"{guarded.url}/{path}", files=files, timeout=30)
    assert response.status_code == 401
    assert response.json()["code"] == "unauthorized"
    assert response.headers["WWW-Authenticate"]
