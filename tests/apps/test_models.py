"""Models come and go while the server runs; ensembles, members and mirror images are served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from lib.loaded import LoadedModels
from lib.models import Models
from lib.offered import Offered
from tests.apps.client import infer, refusal, taken_apart, voxels
from tests.apps.running import Server, a_tiny_card, a_tiny_model, an_image, untrained
from tests.exchange.folders import Folder
from verisim import errors, files, mirroring
from verisim.card import ModelCard, write_model
from verisim.ensembles import EnsembleSegmenter, segmenter_of
from verisim.exchange.importing import Wanted, import_model
from verisim.segmentation import NetworkSegmenter

ALL_AXES = (0, 1, 2)


@pytest.fixture
def models(server: Server) -> Iterator[Path]:
    """The running server's folder of models; what a test puts there is removed after it."""
    before = set(server.models.iterdir())
    yield server.models
    for path in set(server.models.iterdir()) - before:
        path.unlink()


def info(server: Server, part: str = "models") -> dict[str, Any]:
    told: dict[str, Any] = requests.get(f"{server.url}/info/", timeout=30).json()[part]
    return told


def found_here(
    server: Server, card: ModelCard, mirror: bool | None = None
) -> np.ndarray[Any, np.dtype[Any]]:
    """What the library answers to the image "case_1"."""
    segmenter = segmenter_of(card, mirroring=mirror, folders=(server.models,))
    return segmenter(files.read(server.studies / "case_1.nii.gz")).label_map.array


def test_a_model_that_is_new_to_the_running_server_is_listed_and_answers(
    server: Server, models: Path
) -> None:
    assert "latecomer" not in info(server)
    card = untrained(a_tiny_card("latecomer"), models, seed=3)
    assert info(server)["latecomer"]["labels"] == {"anterior": 1, "posterior": 2}
    assert "latecomer" in info(server, "trainers")
    reply = taken_apart(infer(server, {"image": "case_1"}, model="latecomer"))
    assert reply.params["model"] == {"name": "latecomer", "version": 1}
    np.testing.assert_array_equal(voxels(reply), found_here(server, card))


def test_a_model_that_nnunet_trained_is_listed_and_answers_like_any_other(
    server: Server, models: Path, tmp_path: Path
) -> None:
    folder = Folder(folds=("fold_0", "fold_1")).write(tmp_path / "nnunet")
    imported = import_model(folder, Wanted("from-nnunet"))
    card = write_model(imported.card, imported.weights, models)
    told = info(server)["from-nnunet"]
    assert (told["configuration"], told["members"]) == ("3d_fullres", 2)
    assert (told["mirrored_axes"], told["mirroring"]) == ([0, 1, 2], True)
    reply = taken_apart(infer(server, {"image": "case_1"}, model="from-nnunet"))
    assert reply.params["mirror"] is True
    np.testing.assert_array_equal(voxels(reply), found_here(server, card))


def test_a_model_that_was_removed_is_neither_listed_nor_found(
    server: Server, models: Path
) -> None:
    card = a_tiny_model(models, "fleeting")
    assert infer(server, {"image": "case_1"}, model="fleeting").ok
    card.card_path.unlink()
    assert "fleeting" not in info(server)
    assert refusal(infer(server, {"image": "case_1"}, model="fleeting")) == (404, "not_found")
    url = f"{server.url}/train/fleeting"
    assert refusal(requests.post(url, json={}, timeout=30)) == (404, "not_found")


def test_a_card_that_cannot_be_read_hides_no_other_model(server: Server, models: Path) -> None:
    (models / "broken-v1.toml").write_text("name = ")
    assert "broken" not in info(server)
    assert "tiny" in info(server)
    assert refusal(infer(server, {"image": "case_1"}, model="broken")) == (503, "bad_card")
    assert infer(server, {"image": "case_1"}).ok


def test_info_tells_configuration_members_and_mirroring(server: Server, models: Path) -> None:
    untrained(
        replace(
            a_tiny_card("folds"),
            members=2,
            configuration="3d_lowres",
            mirrored_axes=(0, 2),
            mirroring=True,
        ),
        models,
    )
    told = info(server)["folds"]
    assert (told["configuration"], told["members"]) == ("3d_lowres", 2)
    assert (told["mirrored_axes"], told["mirroring"]) == ([0, 2], True)
    assert told["config"]["mirror"] is True
    assert info(server)["tiny"]["config"]["mirror"] is False


@pytest.mark.parametrize("mirroring", [True, False])
@pytest.mark.parametrize("wish", [True, False, None])
def test_mirror_is_as_asked_or_else_as_the_card_says(
    server: Server, models: Path, mirroring: bool, wish: bool | None
) -> None:
    card = untrained(
        replace(a_tiny_card("mirror"), mirrored_axes=ALL_AXES, mirroring=mirroring), models
    )
    asked = {} if wish is None else {"mirror": wish}
    reply = taken_apart(infer(server, {"image": "case_1"}, asked, model="mirror"))
    assert reply.params["mirror"] is (mirroring if wish is None else wish)
    np.testing.assert_array_equal(voxels(reply), found_here(server, card, wish))


@pytest.mark.parametrize("wish", ["true", 1, "", ["yes"]])
def test_a_mirror_that_is_neither_true_nor_false_is_refused(server: Server, wish: object) -> None:
    response = infer(server, {"image": "case_1"}, {"mirror": wish})
    assert refusal(response) == (400, "bad_input")
    assert "mirror" in response.json()["message"]


def test_mirror_images_of_a_model_that_never_saw_any_are_refused(server: Server) -> None:
    response = infer(server, {"image": "case_1"}, {"mirror": True})
    assert refusal(response) == (400, "bad_input")
    assert infer(server, {"image": "case_1"}, {"mirror": False}).ok


def test_an_ensemble_answers_and_notices_a_new_version_of_a_model_that_it_names(
    server: Server, models: Path
) -> None:
    untrained(a_tiny_card("one"), models, seed=1)
    untrained(a_tiny_card("two"), models, seed=2)
    card = untrained(replace(a_tiny_card("both"), ensemble=("one", "two")), models)
    assert info(server)["both"]["ensemble"] == ["one", "two"]
    assert "both" not in info(server, "trainers")
    first = voxels(taken_apart(infer(server, {"image": "case_1"}, model="both")))
    np.testing.assert_array_equal(first, found_here(server, card))
    untrained(replace(a_tiny_card("two"), version=2), models, seed=5)
    second = voxels(taken_apart(infer(server, {"image": "case_1"}, model="both")))
    np.testing.assert_array_equal(second, found_here(server, card))
    assert (first != second).any()


def test_an_ensemble_that_lacks_a_model_is_not_listed_and_says_which_one(
    server: Server, models: Path
) -> None:
    untrained(replace(a_tiny_card("alone"), ensemble=("tiny", "absent")), models)
    assert "alone" not in info(server)
    response = infer(server, {"image": "case_1"}, model="alone")
    assert refusal(response) == (404, "not_found")
    assert "absent" in response.json()["message"]


def test_the_weights_of_an_ensemble_are_not_found(server: Server, models: Path) -> None:
    untrained(replace(a_tiny_card("named"), ensemble=("tiny", "tiny")), models)
    (models / "named-v1.safetensors").unlink()
    response = requests.get(f"{server.url}/model/named", timeout=30)
    assert refusal(response) == (404, "not_found")


def test_an_untouched_card_is_read_once(tmp_path: Path) -> None:
    a_tiny_model(tmp_path)
    models = Models(tmp_path)
    first = models.card("tiny")
    assert models.card("tiny") is first
    first.card_path.write_text(first.card_path.read_text().replace("Untrained", "New"))
    assert models.card("tiny").description.startswith("New")


def test_the_parts_of_a_model_are_all_that_it_needs(tmp_path: Path) -> None:
    low = a_tiny_model(tmp_path, "low")
    full = untrained(replace(a_tiny_card("full"), previous="low"), tmp_path)
    both = untrained(replace(a_tiny_card("both"), ensemble=("full", "low")), tmp_path)
    models = Models(tmp_path)
    assert models.parts(low) == (low,)
    assert models.parts(full) == (full, low)
    assert {part.name for part in models.parts(both)} == {"both", "full", "low"}


def test_cards_that_name_each_other_end_the_search(tmp_path: Path) -> None:
    egg = untrained(replace(a_tiny_card("egg"), previous="hen"), tmp_path)
    untrained(replace(a_tiny_card("hen"), previous="egg"), tmp_path)
    assert len(Models(tmp_path).parts(egg)) == 2


def test_a_wish_for_mirror_images_that_are_usual_is_no_wish(tmp_path: Path) -> None:
    card = untrained(replace(a_tiny_card(), mirrored_axes=ALL_AXES, mirroring=True), tmp_path)
    assert mirroring.checked_wish((card,), True) is None
    assert mirroring.checked_wish((card,), False) is False
    assert mirroring.checked_wish((replace(card, mirrored_axes=()),), False) is None


def test_a_newer_version_of_a_named_model_replaces_the_one_in_memory(tmp_path: Path) -> None:
    a_tiny_model(tmp_path, "one")
    both = untrained(replace(a_tiny_card("both"), ensemble=("one", "one")), tmp_path)
    loaded = LoadedModels(4, Models(tmp_path))
    first = loaded.segmenter(both, "cpu")
    assert isinstance(first, EnsembleSegmenter)
    network = first.members[0].network
    again = loaded.segmenter(both, "cpu")
    assert isinstance(again, EnsembleSegmenter)
    assert again.members[0].network is network
    untrained(replace(a_tiny_card("one"), version=2), tmp_path, seed=1)
    newer = loaded.segmenter(both, "cpu")
    assert isinstance(newer, EnsembleSegmenter)
    assert newer.members[0].network is not network


def test_members_of_one_file_answer_as_the_library_does(tmp_path: Path) -> None:
    card = untrained(replace(a_tiny_card("folds"), members=2), tmp_path)
    loaded = LoadedModels(4, Models(tmp_path))
    image = an_image(1)
    answered = loaded.segmenter(card, "cpu")(image).label_map.array
    np.testing.assert_array_equal(answered, NetworkSegmenter(card)(image).label_map.array)


def test_tasks_follow_the_names_and_are_made_once() -> None:
    names = ["a"]
    offered = Offered(lambda: tuple(names), str.upper, {"other": "stays"})
    assert list(offered.items()) == [("a", "A"), ("other", "stays")]
    names.append("b")
    assert offered["b"] is offered["b"]
    assert list(offered) == ["a", "b", "other"]
    names.remove("a")
    assert "a" not in offered
    assert len(offered) == 2


def test_a_name_that_a_broken_card_has_is_taken(tmp_path: Path) -> None:
    (tmp_path / "broken-v1.toml").write_text("")
    models = Models(tmp_path)
    assert models.names == ()
    assert models.taken("broken")
    with pytest.raises(errors.BadCard, match="broken"):
        models.card("broken")
