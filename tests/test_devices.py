"""Where to compute."""

import pytest
import torch

from verisim.devices import choose
from verisim.errors import BadInput, Unavailable


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """As many GPUs as the test says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)


@pytest.mark.parametrize(
    ("gpus", "name", "device"),
    [
        (0, "auto", "cpu"),
        (0, "cpu", "cpu"),
        (0, "cpu:0", "cpu"),
        (1, "auto", "cuda:0"),
        (1, "cpu", "cpu"),
        (1, "cuda", "cuda"),
        (2, "cuda:1", "cuda:1"),
    ],
    indirect=["gpus"],
)
def test_a_device_that_exists_is_chosen(gpus: None, name: str, device: str) -> None:
    assert choose(name) == device


@pytest.mark.parametrize(
    ("gpus", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2")], indirect=["gpus"]
)
def test_a_missing_gpu_is_named_with_the_number_there_are(gpus: None, name: str) -> None:
    with pytest.raises(Unavailable, match=rf"'{name}'.* \d GPU") as caught:
        choose(name)
    assert "--device cpu" in caught.value.remedy


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-1", "meta", "mps", "cpu:3"])
def test_what_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="device") as caught:
        choose(name)
    assert "auto, cpu or cuda:0" in caught.value.remedy
