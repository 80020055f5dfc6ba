"""A card and its weights belong together."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
import tomli_w
import torch

from tests.conftest import parameters
from verisim.card import ModelCard, read_card, sha256_of, write_model
from verisim.errors import BadCard, NotFound, StorageFailed
from verisim.installed import find_card, find_cards
from verisim.networks.weights import weights_of


def rewrite(card: ModelCard, change: dict[str, object], remove: str = "") -> Path:
    """The card's file with some fields changed, or one removed."""
    fields = tomllib.loads(card.card_path.read_text(encoding="utf-8")) | change
    fields.pop(remove, None)
    card.card_path.write_text(tomli_w.dumps(fields), encoding="utf-8")
    return card.card_path


def test_a_card_is_read_as_it_was_written(a_trained_model: ModelCard) -> None:
    assert read_card(a_trained_model.card_path) == a_trained_model


def test_a_missing_training_record_stays_missing(a_card: ModelCard, tmp_path: Path) -> None:
    bare = replace(a_card, training=None, figures={})
    written = write_model(bare, weights_of(bare.build()), tmp_path)
    assert read_card(written.card_path) == written
    assert written.training is None


def test_the_loaded_network_predicts_as_the_saved_one(a_card: ModelCard, tmp_path: Path) -> None:
    network = a_card.build().eval()
    loaded = write_model(a_card, weights_of(network), tmp_path).load()
    patch = torch.ones(1, 1, 8, 8, 8)
    torch.testing.assert_close(loaded(patch), network(patch), rtol=0, atol=0)
    assert not loaded.training


def test_each_number_is_written_once(a_trained_model: ModelCard) -> None:
    numbers = parameters(a_trained_model.build())
    assert a_trained_model.weights_path.stat().st_size < 4 * numbers + 10_000


def test_weights_are_safetensors_that_carry_the_card(a_trained_model: ModelCard) -> None:
    with safetensors.safe_open(a_trained_model.weights_path, "pt") as file:
        inside = tomllib.loads(file.metadata()["card"])
        assert set(file.keys()) == set(weights_of(a_trained_model.build()))
    assert inside["labels"] == {"anterior": 1, "posterior": 2}
    assert inside["network"]["features"] == [4, 8]


def test_changed_weights_are_refused(a_trained_model: ModelCard) -> None:
    path = a_trained_model.weights_path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadCard, match="is not the file that the card"):
        a_trained_model.load()


def test_weights_of_another_network_are_refused(a_trained_model: ModelCard) -> None:
    other = replace(a_trained_model.network, features=(4, 6))
    with pytest.raises(BadCard, match="do not fit the network of tiny v1"):
        replace(a_trained_model, network=other).load()


def test_weights_that_are_no_safetensors_are_refused(a_trained_model: ModelCard) -> None:
    a_trained_model.weights_path.write_bytes(b"not safetensors")
    described = replace(a_trained_model, sha256=sha256_of(a_trained_model.weights_path))
    with pytest.raises(BadCard, match="do not fit"):
        described.load()


def test_missing_weights_are_named(a_trained_model: ModelCard) -> None:
    a_trained_model.weights_path.unlink()
    with pytest.raises(NotFound, match=r"tiny-v1\.safetensors"):
        a_trained_model.load()


@pytest.mark.parametrize(
    ("change", "remove", "field"),
    [
        ({}, "channels", "channels"),
        ({"colour": "red"}, "", "colour"),
        ({"preprocessing": {"spacing": [1, 1, 1]}}, "", r"preprocessing\.spacing"),
        ({"network": {"features": [4]}}, "", r"network\.strides"),
        ({"training": {"data": "x", "license": "y"}}, "", r"training\.\w+"),
        ({"version": "two"}, "", "version"),
        ({"kind": "audit"}, "", "kind"),
        ({"patch_size": [16, 16]}, "", "patch_size"),
    ],
)
def test_a_missing_unknown_or_wrong_field_is_named(
    a_trained_model: ModelCard, change: dict[str, object], remove: str, field: str
) -> None:
    with pytest.raises(BadCard, match=f"wrong field {field}"):
        read_card(rewrite(a_trained_model, change, remove))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"just words"])
def test_a_card_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(BadCard, match="no TOML file"):
        read_card(path)


def test_a_card_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.toml"):
        read_card(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "labels", [{"anterior": 1, "posterior": 3}, {"anterior": 0}, {"a": 1, "b": 1}]
)
def test_label_values_with_a_gap_are_refused(a_card: ModelCard, labels: dict[str, int]) -> None:
    with pytest.raises(BadCard, match="labels of tiny have the values"):
        replace(a_card, labels=labels)


def test_a_patch_that_the_network_cannot_halve_is_refused(a_card: ModelCard) -> None:
    with pytest.raises(BadCard, match="patch size"):
        replace(a_card, patch_size=(16, 15, 16))


def test_stages_that_do_not_match_are_refused(a_card: ModelCard) -> None:
    with pytest.raises(BadCard, match="stages"):
        replace(a_card, network=replace(a_card.network, features=(4, 8, 16)))


def test_a_kept_label_that_does_not_exist_is_refused(a_card: ModelCard) -> None:
    with pytest.raises(BadCard, match="middle"):
        replace(a_card, keep_largest=("middle",))


@pytest.mark.parametrize("name", ["../escape", "Two Words", ""])
def test_a_name_that_is_no_file_name_is_refused(a_card: ModelCard, name: str) -> None:
    with pytest.raises(BadCard, match="name"):
        replace(a_card, name=name)


@pytest.mark.parametrize("writer", ["verisim.card.save", "pathlib.Path.write_text"])
def test_a_failed_write_leaves_no_card(
    a_card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    def full_disk(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, full_disk)
    with pytest.raises(StorageFailed, match="No space left"):
        write_model(a_card, weights_of(a_card.build()), tmp_path / "models")
    assert list((tmp_path / "models").glob("*.toml")) == []
    assert list((tmp_path / "models").glob(".*")) == []


def test_the_newest_version_wins_and_all_stay_on_the_disk(
    a_trained_model: ModelCard, tmp_path: Path
) -> None:
    weights = weights_of(a_trained_model.load())
    for version in (2, 10):
        write_model(replace(a_trained_model, version=version), weights, tmp_path / "models")
    assert find_card("tiny", tmp_path / "models").version == 10
    assert len(list((tmp_path / "models").glob("*.toml"))) == 3


def test_of_equal_versions_the_later_folder_wins(
    a_trained_model: ModelCard, tmp_path: Path
) -> None:
    weights = weights_of(a_trained_model.load())
    write_model(replace(a_trained_model, description="mine"), weights, tmp_path / "mine")
    cards = find_cards(a_trained_model.folder, tmp_path / "mine", tmp_path / "absent")
    assert cards["tiny"].description == "mine"


def test_an_unknown_model_is_answered_with_those_that_exist(a_trained_model: ModelCard) -> None:
    with pytest.raises(NotFound, match="tiny") as caught:
        find_card("liver", a_trained_model.folder)
    assert "liver" in caught.value.message


def test_a_broken_card_does_not_hide_other_models(a_trained_model: ModelCard) -> None:
    (a_trained_model.folder / "broken-v1.toml").write_text("name = 3")
    assert find_card("tiny", a_trained_model.folder) == a_trained_model
    with pytest.raises(BadCard, match=r"broken-v1\.toml"):
        find_card("broken", a_trained_model.folder)
