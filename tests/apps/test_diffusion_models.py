"""A diffusion model is listed, asked for samples, and refused what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.apps.client import infer, taken_apart, voxels
from tests.apps.running import Server, a_diffusion_card, untrained


@pytest.fixture
def diffusion(server: Server) -> Iterator[str]:
    """The name of a diffusion model that the running server finds."""
    before = set(server.models.iterdir())
    yield untrained(a_diffusion_card(), server.models).name
    for path in set(server.models.iterdir()) - before:
        path.unlink()


def config(server: Server, model: str) -> dict[str, Any]:
    told: dict[str, Any] = requests.get(f"{server.url}/info/", timeout=30).json()
    found: dict[str, Any] = told["models"][model]["config"]
    return found


def test_it_is_listed_with_how_it_samples(server: Server, diffusion: str) -> None:
    told = config(server, diffusion)
    assert (told["samples"], told["steps"], told["seed"]) == (3, 2, 0)
    assert "samples" not in config(server, "tiny")


def test_it_answers_with_what_its_samples_say(server: Server, diffusion: str) -> None:
    wish = {"samples": 4, "steps": 1, "seed": 3}
    first, again = (
        taken_apart(infer(server, {"image": "case_1"}, wish, model=diffusion)) for _ in range(2)
    )
    assert {len(found) for found in first.params["sampled"]["volumes_ml"].values()} == {4}
    assert 0 <= first.params["sampled"]["agreement"] <= 1
    assert first.params["expected_dice"].keys() <= {"anterior", "posterior"}
    np.testing.assert_array_equal(voxels(first), voxels(again))


def test_what_a_stock_client_sends_back_is_understood(server: Server, diffusion: str) -> None:
    reply = infer(server, {"image": "case_1"}, config(server, diffusion), model=diffusion)
    assert reply.ok


@pytest.mark.parametrize("wish", [{"samples": 0}, {"steps": "three"}, {"samples": True}])
def test_wishes_that_mean_nothing_are_refused(
    server: Server, diffusion: str, wish: dict[str, object]
) -> None:
    response = infer(server, {"image": "case_1"}, wish, model=diffusion)
    assert response.status_code == 400
    assert next(iter(wish)) in response.json()["message"]


def test_samples_of_another_model_are_refused(server: Server) -> None:
    response = infer(server, {"image": "case_1"}, {"samples": 3})
    assert response.status_code == 400
    assert "without samples" in response.json()["message"]


def test_models_stay_loaded_whatever_is_wished(server: Server, diffusion: str) -> None:
    """Only the first request reads the weights: without them the others still answer."""
    assert infer(server, {"image": "case_1"}, model=diffusion).ok
    weights = next(Path(server.models).glob("diffusion-v1.safetensors"))
    kept = weights.read_bytes()
    weights.unlink()
    try:
        response = infer(server, {"image": "case_1"}, {"samples": 1}, model=diffusion)
    finally:
        weights.write_bytes(kept)
    assert response.ok
