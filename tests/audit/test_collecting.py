"""Folders become cases on one grid, and what would spoil an audit is refused by its name."""

from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

from verisim.audit.collecting import Grid, check_apart, check_unchanged, collected
from verisim.audit.folders import cases_in
from verisim.audit.strata import StratumRule
from verisim.errors import BadDataset, BadInput, NotFound, VerisimError, WrongChannels
from verisim.files import write
from verisim.volume import LabelMap, Volume


def filled(folder: Path, count: int = 4, shape: tuple[int, ...] = (12, 14, 10)) -> Path:
    """A folder in nnU-Net's layout."""
    draw = np.random.default_rng(0)
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for k in range(count):
        affine = np.diag([-1.0, 1.0, 1.0, 1.0]) if k % 2 else np.eye(4)
        image = draw.normal(100 * (k + 1), 5, shape).astype(np.float32)
        write(folder / "imagesTr" / f"c_{k}_0000.nii.gz", Volume(image, affine))
        mask = (image > image.mean()).astype(np.uint8)
        write(folder / "labelsTr" / f"c_{k}.nii.gz", LabelMap(mask, affine, {"a": 1}))
    (folder / "dataset.json").write_text(
        '{"channel_names": {"0": "mr"}, "labels": {"background": 0, "a": 1},'
        f' "numTraining": {count}, "file_ending": ".nii.gz"}}'
    )
    return folder


def spoiled(folder: Path, array: np.ndarray) -> Path:
    """The same with one image exchanged."""
    write(filled(folder) / "imagesTr" / "c_1_0000.nii.gz", Volume(array, np.eye(4)))
    return folder


def test_cases_share_a_grid_and_a_scale(tmp_path: Path) -> None:
    cases = cases_in(filled(tmp_path))
    grid = Grid.among(cases)
    found = collected(cases, grid)
    assert found.images.shape == (4, 1, 12, 12, 8)
    assert found.masks is not None
    assert found.masks.shape == (4, 12, 12, 8)
    np.testing.assert_allclose(found.images.mean(axis=(1, 2, 3, 4)), 0, atol=0.1)
    np.testing.assert_allclose(found.images.std(axis=(1, 2, 3, 4)), 1, atol=0.1)
    # labels lie on their image, turned or not
    for image, mask in zip(found.images[:, 0], found.masks, strict=True):
        assert image[mask > 0].min() > image[mask == 0].max()


def test_large_sets_are_mapped_from_disk(tmp_path: Path) -> None:
    cases = cases_in(filled(tmp_path / "set"))
    mapped = collected(cases, Grid.among(cases), store=tmp_path)
    assert isinstance(mapped.images, np.memmap)
    np.testing.assert_array_equal(mapped.images, collected(cases, Grid.among(cases)).images)


def test_pictures_are_slices_with_colours(tmp_path: Path) -> None:

    draw = np.random.default_rng(0)
    for k in range(3):
        picture = draw.integers(0, 255, (24, 32, 3)).astype(np.uint8)
        imsave(tmp_path / f"p{k}.png", picture, check_contrast=False)
    cases = cases_in(tmp_path)
    found = collected(cases, Grid.among(cases))
    assert found.images.shape == (3, 3, 32, 24, 1)
    assert found.masks is None


@pytest.mark.parametrize(
    ("array", "error", "said"),
    [
        (np.ones((12, 14, 10), np.float32), BadInput, "constant"),
        (np.full((12, 14, 10), np.nan, np.float32), BadInput, "finite|NaN|nan"),
        (np.random.default_rng(0).normal(size=(60, 60, 60)).astype(np.float32), BadInput, "kind"),
        (np.random.default_rng(0).normal(size=(12, 14, 1)).astype(np.float32), BadInput, "kind"),
    ],
    ids=["constant", "nan", "large", "slice"],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, array: np.ndarray, error: type[VerisimError], said: str
) -> None:
    grid = Grid((1.0, 1.0, 1.0), (12, 12, 8), 1)
    cases = cases_in(spoiled(tmp_path, array))
    bare = [case for case in cases if case.name == "c_1"]
    with pytest.raises(error, match=said):
        collected(bare, grid)


def test_other_channels_are_refused(tmp_path: Path) -> None:
    cases = cases_in(filled(tmp_path))
    with pytest.raises(WrongChannels, match="channel"):
        collected(cases, Grid((1.0, 1.0, 1.0), (12, 12, 8), 2))


def test_one_image_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="1 training case"):
        Grid.among(cases_in(filled(tmp_path, 1)))


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    cases = cases_in(filled(tmp_path))
    found = collected(cases, Grid.among(cases))
    check_unchanged(cases, found)
    changed = tmp_path / "imagesTr" / "c_2_0000.nii.gz"
    content = changed.read_bytes()
    changed.write_bytes(content + b"x")
    with pytest.raises(BadDataset, match="c_2 changed"):
        check_unchanged(cases, found)
    changed.unlink()
    with pytest.raises(NotFound, match="gone"):
        check_unchanged(cases, found)


def test_shared_patients_are_named() -> None:
    check_apart({"training": ["a", "a", "b"], "held out": ["c"]})
    with pytest.raises(BadDataset, match="b is one"):
        check_apart({"training": ["a", "b"], "held out": ["b", "c"]})


def test_strata_from_slice_numbers() -> None:
    rule = StratumRule(pattern=r"_(\d+)$", parts=2).fitted([f"p_{k}" for k in range(10)])
    assert rule.strata_of(["x_0", "x_9", "x_99"]) == ("part 1", "part 2", "part 2")
    with pytest.raises(BadDataset, match="no group"):
        rule.strata_of(["x"])


def test_strata_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "strata.csv"
    table.write_text("case,stratum\na,head\nb,foot\n")
    assert StratumRule(table).strata_of(["b", "a"]) == ("foot", "head")
    with pytest.raises(BadDataset, match="'c'"):
        StratumRule(table).strata_of(["c"])
