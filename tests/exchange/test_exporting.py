"""An exported model is nnU-Net's own, and comes back as it went."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.exchange.folders import predictor
from tests.exchange.test_axes import turned_back
from verisim.card import ModelCard, write_model
from verisim.errors import BadCard, Conflict, UnsupportedModel, VerisimWarning
from verisim.exchange.exporting import export_model
from verisim.exchange.importing import Wanted, import_model
from verisim.files.segments import color_of
from verisim.networks.averaged import Mirrored
from verisim.networks.unet import UNet
from verisim.networks.weights import weights_of
from verisim.normalization import Normalization
from verisim.preprocessing import Preprocessing
from verisim.training.augmentation import seeded

ANISOTROPIC = UNet(
    features=(4, 6, 8),
    strides=((1, 1, 1), (2, 2, 1), (1, 2, 2)),
    kernel_sizes=((3, 3, 1), (3, 3, 1), (3, 3, 3)),
    convolutions=(1, 2, 1),
    decoder_convolutions=(1, 2),
)
SLICES = UNet(
    features=(4, 6),
    strides=((1, 1, 1), (2, 1, 2)),
    kernel_sizes=((3, 1, 3), (3, 1, 3)),
)
CT = Normalization("ct", mean=40.5, std=20.25, low=-100.0, high=250.0)
CUBIC = Preprocessing(
    spacing_mm=(0.75, 0.75, 3.0),
    normalization=(CT, Normalization("z-score", masked=True)),
    crop=True,
    order=3,
)


@pytest.fixture
def volumes(a_card: ModelCard) -> ModelCard:
    """Two channels, three networks, anisotropic."""
    return replace(
        a_card,
        channels=("CT", "PET"),
        preprocessing=CUBIC,
        patch_size=(16, 24, 6),
        network=ANISOTROPIC,
        members=3,
        mirrored_axes=(0, 1),
        mirroring=True,
    )


@pytest.fixture
def residual(volumes: ModelCard) -> ModelCard:
    """The same with a residual encoder, one network, axes as stored."""
    network = replace(ANISOTROPIC, residual=True)
    stored = replace(CUBIC, orientation="")
    return replace(volumes, network=network, members=1, preprocessing=stored)


@pytest.fixture
def slices(a_card: ModelCard) -> ModelCard:
    """Slices across y."""
    return replace(
        a_card,
        preprocessing=Preprocessing(spacing_mm=(0.5, 0.0, 0.75), crop=True),
        patch_size=(24, 1, 16),
        network=SLICES,
        members=2,
        configuration="2d",
        mirrored_axes=(0, 2),
        mirroring=True,
    )


@pytest.fixture(params=["volumes", "residual", "slices"])
def card(request: pytest.FixtureRequest, tmp_path: Path) -> ModelCard:
    """Each of them, with weights."""
    return with_weights(request.getfixturevalue(request.param), tmp_path)


def with_weights(card: ModelCard, folder: Path) -> ModelCard:
    """The card beside random weights."""
    with seeded(0):
        network = card.build()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, 0.3 if parameter.ndim == 1 else 0.0, 0.4)
    return write_model(card, weights_of(network), folder / "models")


def test_a_model_comes_back_as_it_went(card: ModelCard, tmp_path: Path) -> None:
    folds = export_model(card, tmp_path / "folder")
    assert folds == tuple(str(k) for k in range(card.members))
    back = import_model(tmp_path / "folder")
    assert card.training is not None
    assert back.card.training is not None
    # what nnU-Net's files have no word for: its epochs have 250 steps, its splits are folds
    own = replace(card.training, iterations=250, split=back.card.training.split)
    told = replace(card, training=own, figures={}, sha256="", folder=Path())
    colors = {label: color_of(k) for k, label in enumerate(card.labels)}
    assert back.card == replace(told, name=back.card.name, colors=colors)
    weights = weights_of(card.load())
    assert back.weights.keys() == weights.keys()
    assert all(torch.equal(back.weights[name], weights[name]) for name in weights)


def test_nnunets_predictor_answers_as_the_card_does(card: ModelCard, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folds = export_model(card, folder)
    turn = json.loads((folder / "plans.json").read_text())["transpose_forward"]
    ours = torch.randn(len(card.channels), *card.patch_size)
    theirs = ours.numpy().transpose(0, 3, 2, 1).transpose(0, *(axis + 1 for axis in turn))
    expected = predictor(folder, tuple(int(fold) for fold in folds))
    logits = expected.predict_logits_from_preprocessed_data(torch.tensor(theirs.copy())).float()
    with torch.inference_mode():
        answer = Mirrored(card.load(), card.mirrored_axes)(ours[None])[0]
    back = turned_back(logits.numpy(), turn)
    # nnU-Net keeps logits in half precision
    np.testing.assert_allclose(answer, back, rtol=2e-3, atol=2e-3)


def test_nnunet_reads_its_preprocessing_from_the_folder(
    volumes: ModelCard, tmp_path: Path
) -> None:
    export_model(with_weights(volumes, tmp_path), tmp_path / "folder")
    found = predictor(tmp_path / "folder", (0,))
    made = found.configuration_manager
    assert made.preprocessor_class.__name__ == "DefaultPreprocessor"
    assert made.spacing == [3.0, 0.75, 0.75]
    assert made.resampling_fn_data.keywords["order"] == 3
    assert made.resampling_fn_probabilities.keywords["order"] == 1
    assert found.plans_manager.image_reader_writer_class.__name__ == "NibabelIOWithReorient"
    assert found.label_manager.foreground_labels == [1, 2]
    assert found.allowed_mirroring_axes == (1, 2)
    data = np.random.default_rng(0).normal(100, 80, (2, 5, 20, 30)).astype(np.float32)
    prepared, _, _ = made.preprocessor_class(verbose=False).run_case_npy(
        data, None, {"spacing": [3.0, 0.75, 0.75]}, found.plans_manager, made, found.dataset_json
    )
    np.testing.assert_allclose(
        prepared[0], (np.clip(data[0], -100, 250) - 40.5) / 20.25, rtol=1e-5, atol=1e-5
    )


def test_mirroring_that_is_off_stays_off(volumes: ModelCard, tmp_path: Path) -> None:
    export_model(with_weights(replace(volumes, mirroring=False), tmp_path), tmp_path / "folder")
    assert predictor(tmp_path / "folder", (0,)).allowed_mirroring_axes is None
    assert not import_model(tmp_path / "folder").card.mirroring


def test_the_second_stage_of_a_cascade_comes_back(volumes: ModelCard, tmp_path: Path) -> None:
    first = replace(volumes, name="first", configuration="3d_lowres")
    second = replace(
        volumes, name="second", configuration="3d_cascade_fullres", previous="first", members=1
    )
    export_model(with_weights(second, tmp_path), tmp_path / "folder")
    back = import_model(tmp_path / "folder", Wanted(previous=first)).card
    assert (back.previous, back.configuration, back.inputs) == ("first", second.configuration, 4)


def test_what_a_model_folder_cannot_say_is_told(volumes: ModelCard, tmp_path: Path) -> None:
    kept = replace(volumes, keep_largest=("anterior",), keep_largest_foreground=True)
    with pytest.warns(VerisimWarning, match="all labels together, anterior"):
        export_model(with_weights(kept, tmp_path), tmp_path / "folder")
    uncropped = replace(volumes, preprocessing=replace(CUBIC, crop=False))
    with pytest.warns(VerisimWarning, match="border of zeros"):
        export_model(with_weights(uncropped, tmp_path), tmp_path / "other")


def test_a_folder_that_exists_is_left_alone(volumes: ModelCard, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(Conflict, match="exists already"):
        export_model(with_weights(volumes, tmp_path), folder)
    assert list(folder.iterdir()) == []


def test_a_model_that_nnunet_cannot_run_is_refused(
    volumes: ModelCard, slices: ModelCard, tmp_path: Path
) -> None:
    refused = {
        "LPS": replace(volumes, preprocessing=replace(CUBIC, orientation="LPS")),
        "answers together": replace(volumes, ensemble=("a", "b")),
        "named ignore": replace(volumes, labels={"ignore": 1}, colors={}, keep_largest=()),
        "leaves the spacing": replace(
            volumes, preprocessing=replace(CUBIC, spacing_mm=(1.0, 1.0, 0.0))
        ),
        "more than one slice": replace(slices, patch_size=(24, 2, 16)),
    }
    for said, card in refused.items():
        with pytest.raises(UnsupportedModel, match=said):
            export_model(card, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_broken_model_leaves_no_folder(volumes: ModelCard, tmp_path: Path) -> None:
    card = with_weights(volumes, tmp_path)
    card.weights_path.write_bytes(b"other")
    with pytest.raises(BadCard):
        export_model(card, tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["models"]
