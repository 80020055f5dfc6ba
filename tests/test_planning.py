"""From a data set to an untrained model."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.conftest import affine_of
from verisim.card import read_card, write_model
from verisim.dataset import open_dataset
from verisim.files.segments import color_of
from verisim.networks.weights import weights_of
from verisim.planning import LARGEST_PATCH, plan


def a_dataset(folder: Path, shape: tuple[int, int, int], spacing: tuple[float, ...]) -> Path:
    """Five cases of one shape; one of them lies on its side."""
    for k in range(5):
        affine = affine_of(spacing)  # type: ignore[arg-type]  # three numbers
        array = np.zeros(shape, np.int16)
        if k == 0:
            affine, array = affine[:, [2, 0, 1, 3]], array.transpose(2, 0, 1)
        for kind in ("images", "labels"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, affine), folder / kind / f"{k}.nii.gz")
    listed = [{"image": f"images/{k}.nii.gz", "label": f"labels/{k}.nii.gz"} for k in range(5)]
    text = {"labels": {"liver": 1, "tumour": 2}, "modality": {"0": "CT"}, "training": listed}
    (folder / "dataset.json").write_text(json.dumps(text))
    return folder


@pytest.mark.parametrize(
    ("shape", "spacing", "patch"),
    [
        ((35, 51, 36), (1.0, 1.0, 1.0), (40, 56, 40)),
        ((200, 97, 10), (0.7, 0.7, 5.0), (LARGEST_PATCH, LARGEST_PATCH, 16)),
        ((8, 8, 2), (1.0, 1.0, 1.0), (8, 8, 8)),
    ],
)
def test_spacing_and_patch_are_the_medians_of_the_data(
    tmp_path: Path,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    patch: tuple[int, int, int],
) -> None:
    card = plan(open_dataset(a_dataset(tmp_path, shape, spacing)), "liver-unet")
    assert card.preprocessing.spacing_mm == pytest.approx(spacing)
    assert card.patch_size == patch
    assert all(side % unit == 0 for side, unit in zip(patch, card.network.divisor, strict=True))


def test_a_plan_can_be_built_written_and_read(tmp_path: Path) -> None:
    card = plan(open_dataset(a_dataset(tmp_path, (8, 8, 8), (1.0, 1.0, 1.0))), "liver-unet")
    assert (card.labels, card.channels) == ({"liver": 1, "tumour": 2}, ("CT",))
    assert (card.sha256, card.training) == ("", None)
    written = write_model(card, weights_of(card.build()), tmp_path / "models")
    assert read_card(written.card_path) == written


def test_every_label_has_a_colour_of_its_own() -> None:
    colors = [color_of(k) for k in range(20)]
    assert len(set(colors)) == 20
    assert all(0 <= part <= 1 for color in colors for part in color)


@pytest.mark.data
def test_the_plan_for_the_hippocampus_has_nnunets_patch_and_spacing(real_data: Path) -> None:
    card = plan(open_dataset(real_data / "hippocampus"), "hippocampus-unet")
    assert card.patch_size == (40, 56, 40)
    assert card.preprocessing.spacing_mm == (1.0, 1.0, 1.0)
