"""What cannot be answered alike is refused by name, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.exchange.folders import Folder, edit
from verisim.errors import NotFound, UnreadableFile, UnsupportedModel, VerisimError
from verisim.exchange.importing import Wanted, import_model

CONFIGURATION = ("configurations", "3d_fullres")
ARGUMENTS = (*CONFIGURATION, "architecture", "arch_kwargs")
KWARGS = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
PRIMUS = "dynamic_network_architectures.architectures.primus.Primus"

PLANS: dict[str, tuple[tuple[str, ...], object]] = {
    "Primus": ((*CONFIGURATION, "architecture", "network_class_name"), PRIMUS),
    "evil.PlainConvUNet": (
        (*CONFIGURATION, "architecture", "network_class_name"),
        "evil.PlainConvUNet",
    ),
    "BatchNorm3d": ((*ARGUMENTS, "norm_op"), "torch.nn.modules.batchnorm.BatchNorm3d"),
    "norm_op_kwargs": ((*ARGUMENTS, "norm_op_kwargs"), {"eps": 1e-3, "affine": True}),
    "Dropout3d": ((*ARGUMENTS, "dropout_op"), "torch.nn.Dropout3d"),
    "ReLU": ((*ARGUMENTS, "nonlin"), "torch.nn.ReLU"),
    "nonlin_kwargs": ((*ARGUMENTS, "nonlin_kwargs"), {"negative_slope": 0.2}),
    "conv_bias": ((*ARGUMENTS, "conv_bias"), False),
    "nonlin_first": ((*ARGUMENTS, "nonlin_first"), True),
    "Tiff3DIO": (("image_reader_writer",), "Tiff3DIO"),
    "MyLabelManager": (("label_manager",), "MyLabelManager"),
    "MyPreprocessor": ((*CONFIGURATION, "preprocessor_name"), "MyPreprocessor"),
    "MyNormalization": ((*CONFIGURATION, "normalization_schemes"), ["MyNormalization"]),
    "resample_torch_fornnunet": (
        (*CONFIGURATION, "resampling_fn_data"),
        "resample_torch_fornnunet",
    ),
    "order 2": ((*CONFIGURATION, "resampling_fn_data_kwargs"), KWARGS | {"order": 2}),
    "force_separate_z True": (
        (*CONFIGURATION, "resampling_fn_data_kwargs"),
        KWARGS | {"force_separate_z": True},
    ),
    "resample probabilities": (
        (*CONFIGURATION, "resampling_fn_probabilities_kwargs"),
        KWARGS | {"order": 3},
    ),
    "each axis once": (("transpose_forward",), [0, 0, 1]),
    "mean and percentiles": (("foreground_intensity_properties_per_channel",), {}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plain network of one fold for CT."""
    return Folder(schemes=("CTNormalization",)).write(tmp_path / "folder")


@pytest.mark.parametrize("named", PLANS)
def test_plans_that_cannot_be_followed_are_refused_by_name(named: str, folder: Path) -> None:
    where, value = PLANS[named]
    edit(folder / "plans.json", *where, value=value)
    with pytest.raises(UnsupportedModel, match=named) as refused:
        import_model(folder)
    assert refused.value.remedy


def test_labels_that_overlap_are_refused(folder: Path) -> None:
    labels = {"background": 0, "whole": [1, 2], "core": 2}
    edit(folder / "dataset.json", "labels", value=labels)
    with pytest.raises(UnsupportedModel, match="whole are regions"):
        import_model(folder)


def test_labels_with_gaps_are_refused(folder: Path) -> None:
    edit(folder / "dataset.json", "labels", value={"background": 0, "a": 1, "b": 3})
    with pytest.raises(UnsupportedModel, match=r"\[1, 3\]"):
        import_model(folder)


def test_a_network_of_other_shape_than_its_plans_is_refused(folder: Path) -> None:
    edit(folder / "plans.json", *ARGUMENTS, "features_per_stage", value=[4, 6, 10])
    with pytest.raises(UnsupportedModel, match="does not fit the network"):
        import_model(folder)


def test_a_network_of_other_layers_than_its_plans_is_refused(folder: Path) -> None:
    edit(folder / "plans.json", *ARGUMENTS, "n_conv_per_stage", value=[1, 2, 2])
    with pytest.raises(UnsupportedModel, match="differ in"):
        import_model(folder)


def test_folds_that_cannot_answer_together_are_refused(tmp_path: Path) -> None:
    folder = Folder(folds=("fold_0", "fold_1")).write(tmp_path / "folder")
    torch.save(Folder(mirror=None).checkpoint(1), folder / "fold_1" / "checkpoint_final.pth")
    with pytest.raises(UnsupportedModel, match="mirror_axes of fold_1"):
        import_model(folder)


@pytest.mark.parametrize("name", ["plans.json", "dataset.json"])
@pytest.mark.parametrize("content", ["", "[]", "{", "\x00", '{"labels": 3}'])
def test_descriptions_that_are_none_are_refused(name: str, content: str, folder: Path) -> None:
    (folder / name).write_text(content)
    with pytest.raises(UnreadableFile, match=name):
        import_model(folder)


def test_a_configuration_without_patch_size_is_refused_by_the_field(folder: Path) -> None:
    edit(folder / "plans.json", *CONFIGURATION, "patch_size", value=["a", "b", "c"])
    with pytest.raises(UnreadableFile, match=r"3d_fullres of plans.json has a field patch_size"):
        import_model(folder)


def test_a_configuration_that_is_missing_or_inherits_from_itself_is_refused(
    folder: Path,
) -> None:
    edit(folder / "plans.json", *CONFIGURATION, "inherits_from", value="3d_fullres")
    with pytest.raises(UnsupportedModel, match="inherit from itself"):
        import_model(folder)
    edit(folder / "plans.json", "configurations", value={})
    with pytest.raises(UnsupportedModel, match="no configuration '3d_fullres'"):
        import_model(folder)


@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(NotFound, match=Path(name).name):
        import_model(folder)


def test_a_missing_fold_is_named(folder: Path) -> None:
    with pytest.raises(NotFound, match="fold_4"):
        import_model(folder, Wanted(folds=("4",)))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VerisimError, match="nothing"):
        import_model(tmp_path / "nothing")
