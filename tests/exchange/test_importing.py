"""A model folder of nnU-Net's gives the same logits here, or is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.exchange.folders import Folder, edit, predictor
from tests.exchange.test_axes import turned_back, written
from verisim.errors import UnreadableFile, UnsupportedModel, VerisimWarning
from verisim.exchange.importing import Wanted, import_model
from verisim.networks.averaged import Mirrored
from verisim.normalization import Normalization
from verisim.training_record import TrainingRecord

KINDS = {
    "plain": Folder(),
    "residual": Folder(residual=True, transpose=(2, 0, 1), folds=("fold_0", "fold_3")),
    "slices": Folder(flat=True, transpose=(1, 0, 2), mirror=(0, 1), folds=("fold_0", "fold_1")),
    "two channels": Folder(
        channels=("T1", "T2"), schemes=("ZScoreNormalization",) * 2, mirror=(1,)
    ),
    "on all cases, without mirroring": Folder(folds=("fold_all",), mirror=None),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plain network of one fold."""
    return Folder().write(tmp_path / "folder")


@pytest.mark.parametrize("made", KINDS.values(), ids=KINDS)
def test_the_answer_is_that_of_nnunets_own_predictor(made: Folder, tmp_path: Path) -> None:
    folder = made.write(tmp_path / "folder")
    card = written(folder, tmp_path)
    data = torch.randn(len(made.channels), *made.patch, generator=torch.Generator().manual_seed(1))
    folds = tuple(f if f == "all" else int(f) for f in (n[5:] for n in made.folds))
    expected = predictor(folder, folds).predict_logits_from_preprocessed_data(data).float()
    ours = Mirrored(card.load(), card.mirrored_axes)
    given = torch.tensor(turned_back(data.numpy(), made.transpose).copy())
    with torch.inference_mode():
        # the card's patch is one slice thick where nnU-Net's network sees slices
        answers = [ours(part[None])[0] for part in given.split(card.patch_size[1], 2)]
    logits = torch.cat(answers, 2)
    back = turned_back(expected.numpy(), made.transpose)
    # nnU-Net keeps logits in half precision
    np.testing.assert_allclose(logits, back, rtol=2e-3, atol=2e-3)
    assert card.members == len(made.folds)


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    """Four channels, and axes that the plan turns from (z, y, x) to (y, z, x)."""
    made = Folder(
        channels=("CT", "mask", "T1", "photo"),
        schemes=(
            "CTNormalization",
            "NoNormalization",
            "ZScoreNormalization",
            "RescaleTo01Normalization",
        ),
        transpose=(1, 0, 2),
        mirror=(0, 2),
        reader="NibabelIOWithReorient",
    )
    folder = made.write(tmp_path / "folder")
    where = ("configurations", "3d_fullres", "use_mask_for_norm")
    edit(folder / "plans.json", *where, value=[True] * 4)
    return folder


def test_the_card_prepares_volumes_as_the_plans_say(varied: Path) -> None:
    preparation = import_model(varied).card.preprocessing
    assert preparation.orientation == "RAS"
    assert preparation.crop
    assert preparation.order == 3
    assert preparation.spacing_mm == (0.5, 2.0, 0.75)
    assert preparation.normalization == (
        Normalization("ct", mean=90.0, std=31.5, low=-40.25, high=260.5),
        Normalization("none"),
        Normalization("z-score", masked=True),
        Normalization("0-1"),
    )


def test_the_card_has_the_network_of_the_plans(varied: Path) -> None:
    card = import_model(varied).card
    assert card.name == "dataset123-boxes-3d-fullres"
    assert card.channels == ("CT", "mask", "T1", "photo")
    assert card.labels == {"Anterior": 1, "Posterior": 2}
    assert card.patch_size == (24, 4, 16)
    assert card.network.strides == ((1, 1, 1), (2, 1, 2), (1, 2, 2))
    assert card.network.kernel_sizes == ((3, 1, 3), (3, 1, 3), (3, 3, 3))
    assert card.mirrored_axes == (0, 1)
    assert card.mirroring


def test_the_card_tells_of_the_training_what_is_known(varied: Path) -> None:
    record = import_model(varied, Wanted(licence="CC0")).card.training
    assert record == TrainingRecord(
        data="Dataset123_Boxes",
        licence="CC0",
        split="fold 0",
        cases=20,
        seed=0,
        date="2026-11-20",
        iterations=1000,
        batch_size=7,
        seconds=92.2,
        device="cpu",
        # half to twice the median of 60 × 10 × 40 voxels
        extent_mm=((15.0, 10.0, 15.0), (60.0, 40.0, 60.0)),
    )


def test_slices_keep_their_distance(tmp_path: Path) -> None:
    folder = Folder(flat=True, transpose=(2, 0, 1), mirror=(0, 1)).write(tmp_path / "folder")
    card = import_model(folder).card
    assert card.configuration == "2d"
    assert card.preprocessing.spacing_mm == (0.0, 0.5, 0.75)
    assert card.patch_size == (1, 24, 16)
    assert card.mirrored_axes == (1, 2)


def test_the_boxes_of_all_cases_are_taken_from_the_fingerprint(folder: Path) -> None:
    content = {
        "shapes_after_crop": [[10, 40, 60], [20, 30, 50]],
        "spacings": [[2.0, 1.0, 0.5], [1.5, 1.0, 1.0]],
    }
    (folder / "dataset_fingerprint.json").write_text(json.dumps(content))
    record = import_model(folder).card.training
    assert record is not None
    assert record.extent_mm == ((30.0, 30.0, 20.0), (50.0, 40.0, 30.0))


def test_chosen_folds_and_checkpoints_are_taken(tmp_path: Path) -> None:
    folder = Folder(folds=("fold_0", "fold_1", "fold_all")).write(tmp_path / "folder")
    assert import_model(folder).folds == ("fold_0", "fold_1", "fold_all")
    chosen = import_model(folder, Wanted(folds=("1",)))
    assert chosen.folds == ("fold_1",)
    assert chosen.card.members == 1
    best = folder / "fold_0" / "checkpoint_best.pth"
    (folder / "fold_1" / "checkpoint_final.pth").rename(best)
    assert same(import_model(folder, Wanted(checkpoint=best.name)).weights, chosen.weights)


def test_labels_are_ordered_by_value_and_what_was_ignored_is_dropped(folder: Path) -> None:
    labels = {"background": 0, "b": 2, "a": [1], "ignore": 3}
    edit(folder / "dataset.json", "labels", value=labels)
    assert list(import_model(folder).card.labels.items()) == [("a", 1), ("b", 2)]


def test_configurations_inherit(folder: Path) -> None:
    plans = json.loads((folder / "plans.json").read_text())
    parent = plans["configurations"].pop("3d_fullres")
    own = {"inherits_from": "parent", "batch_size": 4}
    plans["configurations"] |= {"3d_fullres": own, "parent": parent}
    (folder / "plans.json").write_text(json.dumps(plans))
    card = import_model(folder).card
    assert card.training is not None
    assert card.training.batch_size == 4
    assert card.patch_size == (24, 16, 4)


def test_the_first_plans_of_2023_are_read(tmp_path: Path) -> None:
    folder = Folder(features=(4, 8, 8)).write(tmp_path / "folder")
    today = import_model(folder)
    plans = json.loads((folder / "plans.json").read_text())
    configuration = plans["configurations"]["3d_fullres"]
    arguments = configuration.pop("architecture")["arch_kwargs"]
    configuration |= {
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 4,
        "unet_max_num_features": 8,
        "n_conv_per_stage_encoder": arguments["n_conv_per_stage"],
        "n_conv_per_stage_decoder": arguments["n_conv_per_stage_decoder"],
        "num_pool_per_axis": [1, 2, 1],
        "pool_op_kernel_sizes": arguments["strides"],
        "conv_kernel_sizes": arguments["kernel_sizes"],
    }
    (folder / "plans.json").write_text(json.dumps(plans))
    assert import_model(folder).card == today.card
    del plans["configurations"]["3d_fullres"]["unet_max_num_features"]
    (folder / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(UnreadableFile, match="unet_max_num_features"):
        import_model(folder)


def test_the_second_stage_of_a_cascade_wants_the_first(folder: Path, tmp_path: Path) -> None:
    first = replace(import_model(folder).card, name="first")
    second = Folder(previous="3d_lowres").write(tmp_path / "second")
    with pytest.raises(UnsupportedModel, match="second stage of a cascade"):
        import_model(second)
    imported = import_model(second, Wanted(previous=first))
    assert imported.card.previous == "first"
    assert imported.card.configuration == "3d_cascade_fullres"
    assert imported.card.inputs == 3
    with pytest.raises(UnsupportedModel, match="no second stage"):
        import_model(folder, Wanted(previous=first))
    other = replace(first, labels={"Posterior": 1, "Anterior": 2})
    with pytest.raises(UnsupportedModel, match="cannot come before"):
        import_model(second, Wanted(previous=other))


def test_a_trainer_that_is_not_known_is_told_of(folder: Path) -> None:
    path = folder / "fold_0" / "checkpoint_final.pth"
    for trainer in ("nnUNetTrainer_250epochs", "nnUNetTrainerNoMirroring"):
        torch.save(Folder().checkpoint(0) | {"trainer_name": trainer}, path)
        import_model(folder)
    torch.save(Folder().checkpoint(0) | {"trainer_name": "MyTrainer"}, path)
    with pytest.warns(VerisimWarning, match="MyTrainer"):
        import_model(folder)


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Whether names and values are equal."""
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)
