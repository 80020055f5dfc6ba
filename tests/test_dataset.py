"""The layouts that people have are read, and what contradicts itself is named."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.conftest import affine_of
from verisim.dataset import Case, open_dataset, split_by_subject
from verisim.errors import BadDataset, BadInput, NotFound
from verisim.layouts import DatasetWarning
from verisim.volume import LabelMap

LABELS = {"anterior": 1, "posterior": 2}
SHAPE = (6, 5, 4)


def save(path: Path, value: float = 1, shape: tuple[int, ...] = SHAPE, x_mm: float = 0) -> Path:
    """A NIfTI file of zeros with `value` in its first voxel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(shape, np.int16)
    array[0, 0, 0] = value
    nibabel.save(nibabel.Nifti1Image(array, affine_of(origin=(x_mm, 0.0, 0.0))), path)
    return path


def describe(folder: Path, **fields: object) -> Path:
    """Write dataset.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(fields), encoding="utf-8")
    return folder


def decathlon(folder: Path, cases: int = 4) -> Path:
    """The Medical Segmentation Decathlon's layout."""
    names = [f"hippocampus_{k:03d}.nii.gz" for k in range(1, cases + 1)]
    for k, name in enumerate(names):
        save(folder / "imagesTr" / name, 10 + k)
        save(folder / "labelsTr" / name, 1 + k % 2)
    return describe(
        folder,
        name="Hippocampus",
        licence="CC-BY-SA 4.0",
        modality={"0": "MRI"},
        labels={"0": "background", "1": "Anterior", "2": "Posterior"},
        training=[{"image": f"./imagesTr/{n}", "label": f"./labelsTr/{n}"} for n in names],
    )


def nnunet(folder: Path) -> Path:
    """nnU-Net v2's raw layout, with two channels."""
    for case in ("pat_1", "pat_2", "pat_3"):
        for channel in (0, 1):
            save(folder / "imagesTr" / f"{case}_{channel:04d}.nii.gz", 10 + channel)
        save(folder / "labelsTr" / f"{case}.nii.gz")
    return describe(
        folder,
        channel_names={"0": "FLAIR", "1": "T1c"},
        labels={"background": 0, "Anterior": 1, "Posterior": 2},
        numTraining=3,
        file_ending=".nii.gz",
    )


def datastore(folder: Path) -> Path:
    """MONAI Label's layout: three images, two of them labelled."""
    for case in ("a", "b", "c"):
        save(folder / f"{case}.nii.gz")
    save(folder / "labels" / "final" / "a.nii.gz", 1)
    save(folder / "labels" / "final" / "b.nii.gz", 3)
    return folder


def test_the_decathlons_layout_is_read(tmp_path: Path) -> None:
    dataset = open_dataset(decathlon(tmp_path))
    assert (dataset.name, dataset.licence) == ("Hippocampus", "CC-BY-SA 4.0")
    assert (dataset.channels, dataset.labels) == (("MRI",), LABELS)
    assert [case.name for case in dataset.cases] == [f"hippocampus_00{k}" for k in range(1, 5)]
    volume, label_map = dataset.cases[1].pair(dataset.labels)
    assert volume.array[0, 0, 0] == 11
    assert label_map.binary("posterior").sum() == 1


def test_nnunets_layout_is_read_with_two_channels(tmp_path: Path) -> None:
    dataset = open_dataset(nnunet(tmp_path / "Dataset007_Heads"))
    assert (dataset.name, dataset.channels) == ("Dataset007_Heads", ("FLAIR", "T1c"))
    assert dataset.labels == LABELS
    volume = dataset.cases[2].volume()
    assert volume.array.shape == (2, *SHAPE)
    assert volume.array[:, 0, 0, 0].tolist() == [10, 11]


def test_channels_keep_their_order_beyond_ten(tmp_path: Path) -> None:
    folder = nnunet(tmp_path)
    names = {str(k): f"channel {k}" for k in range(11)}
    for k, case in ((k, case) for k in range(11) for case in ("pat_1", "pat_2", "pat_3")):
        save(folder / "imagesTr" / f"{case}_{k:04d}.nii.gz", 10 + k)
    describe(folder, channel_names=names, labels={"background": 0, "anterior": 1})
    dataset = open_dataset(folder)
    assert dataset.channels == tuple(names.values())
    assert dataset.cases[0].volume().array[:, 0, 0, 0].tolist() == list(range(10, 21))


def test_the_datastore_of_monai_label_is_read_as_far_as_it_is_labelled(tmp_path: Path) -> None:
    dataset = open_dataset(datastore(tmp_path))
    assert [case.name for case in dataset.cases] == ["a", "b"]
    assert dataset.labels == {"label_1": 1, "label_3": 3}


def test_without_splits_a_fifth_of_the_subjects_validates(tmp_path: Path) -> None:
    dataset = open_dataset(decathlon(tmp_path, cases=20))
    training, validation = (dataset.split(name) for name in ("train", "val"))
    assert len({case.subject for case in validation}) == 2
    assert {c.subject for c in training}.isdisjoint(c.subject for c in validation)
    assert len(training) + len(validation) == len(dataset.split("all")) == 20


def test_the_splits_beside_the_data_are_used_with_short_names_and_folds(tmp_path: Path) -> None:
    splits = {"note": "by subject", "train": ["001", "002"], "val": ["hippocampus_003"]}
    splits["folds"] = [["004"], {"train": ["001"], "val": ["002", "003"]}]  # type: ignore[assignment]  # JSON
    (decathlon(tmp_path) / "splits.json").write_text(json.dumps(splits))
    dataset = open_dataset(tmp_path)

    def names(split: str) -> list[str]:
        return [case.name[-3:] for case in dataset.split(split)]

    assert list(dataset.splits) == ["train", "val", "fold0", "fold1"]
    assert (names("train"), names("val")) == (["001", "002"], ["003"])
    assert (names("fold0"), names("fold1")) == (["004"], ["002", "003"])


@pytest.mark.parametrize("seed", range(5))
def test_a_drawn_split_shares_no_subject_and_is_the_same_for_the_same_seed(seed: int) -> None:
    cases = [Case(f"{s}_{k}", s, ()) for s in "abcdefghij" for k in range(3)]
    split = split_by_subject(cases, seed)
    assert split == split_by_subject(reversed(cases), seed)
    assert split["train"] | split["val"] == {case.name for case in cases}
    assert {n[0] for n in split["train"]}.isdisjoint(n[0] for n in split["val"])
    assert (len(split["train"]), len(split["val"])) == (24, 6)


def test_both_sides_of_a_hippocampus_scan_are_one_subject(tmp_path: Path) -> None:
    subjects = [case.subject for case in open_dataset(decathlon(tmp_path)).cases]
    assert subjects == ["001", "001", "002", "002"]


def test_the_subject_pattern_decides_the_subject(tmp_path: Path) -> None:
    dataset = open_dataset(nnunet(tmp_path), subject_pattern=r"pat_(\d)")
    assert [case.subject for case in dataset.cases] == ["1", "2", "3"]
    for wrong in (r"subject_(\d)", "("):
        with pytest.raises(BadDataset, match="subject pattern"):
            open_dataset(tmp_path, subject_pattern=wrong)


def without(path: str) -> Callable[[Path], None]:
    """Remove one file."""
    return lambda folder: (folder / path).unlink()


@pytest.mark.parametrize(
    ("layout", "spoil", "named"),
    [
        (decathlon, without("imagesTr/hippocampus_002.nii.gz"), "imagesTr/hippocampus_002"),
        (decathlon, without("labelsTr/hippocampus_002.nii.gz"), "labelsTr/hippocampus_002"),
        (nnunet, without("imagesTr/pat_2_0001.nii.gz"), "pat_2.nii.gz has no image"),
        (nnunet, without("labelsTr/pat_2.nii.gz"), "pat_2_0000.nii.gz has no label"),
        (datastore, without("b.nii.gz"), "b.nii.gz has no image"),
    ],
)
def test_a_label_without_image_and_an_image_without_label_are_named(
    tmp_path: Path, layout: Callable[[Path], Path], spoil: Callable[[Path], None], named: str
) -> None:
    spoil(layout(tmp_path))
    with pytest.raises(BadDataset, match=named):
        open_dataset(tmp_path)


def test_a_part_of_a_data_set_is_read_with_a_warning(tmp_path: Path) -> None:
    decathlon(tmp_path)
    for kind in ("imagesTr", "labelsTr"):
        (tmp_path / kind / "hippocampus_002.nii.gz").unlink()
    with pytest.warns(DatasetWarning, match=r"1 cases .* hippocampus_002 is the first"):
        dataset = open_dataset(tmp_path)
    assert [case.name[-3:] for case in dataset.cases] == ["001", "003", "004"]


def test_images_and_labels_without_a_description_are_read(tmp_path: Path) -> None:
    (decathlon(tmp_path) / "dataset.json").unlink()
    dataset = open_dataset(tmp_path)
    assert len(dataset.cases) == 4
    assert dataset.labels == {"label_1": 1, "label_2": 2}
    assert dataset.drawn


@pytest.mark.parametrize(
    ("shape", "x_mm", "value", "words"),
    [
        ((9, 9, 9), 0, 1, r"\(9, 9, 9\)"),
        (SHAPE, 5, 1, "different places"),
        (SHAPE, 0, 7, r"values \[7\]"),
        (SHAPE, 0, -1, "hippocampus_001"),
    ],
)
def test_a_label_of_another_image_or_task_is_named(
    tmp_path: Path, shape: tuple[int, ...], x_mm: float, value: int, words: str
) -> None:
    dataset = open_dataset(decathlon(tmp_path))
    save(tmp_path / "labelsTr" / "hippocampus_001.nii.gz", value, shape, x_mm)
    with pytest.raises(BadInput, match=words) as caught:
        dataset.cases[0].pair(dataset.labels)
    assert "hippocampus_001" in str(caught.value)


def test_a_case_without_label_has_no_label_map() -> None:
    with pytest.raises(BadDataset, match="case lonely has no label"):
        Case("lonely", "lonely", ()).label_map(LABELS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no valid JSON"),
        ("[]", "one JSON object"),
        ('{"labels": {"whole": [1, 2]}}', "not name and number"),
        ('{"labels": {"0": "background"}, "training": []}', "no labelled case"),
        ('{"labels": {"liver": 1}, "training": ["a"]}', "lists 'a' as a training case"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(BadDataset, match=words):
        open_dataset(tmp_path)


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"neither dataset\.json nor labels/final"):
        open_dataset(tmp_path)
    with pytest.raises(NotFound, match="nowhere"):
        open_dataset(tmp_path / "nowhere")


def test_an_unknown_split_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="all, train, val"):
        open_dataset(decathlon(tmp_path)).split("test")


@pytest.mark.data
def test_the_real_hippocampus_split_shares_no_subject(real_data: Path) -> None:
    dataset = open_dataset(real_data / "hippocampus")
    training, validation = dataset.split("train"), dataset.split("val")
    assert (len(dataset.cases), len(training), len(validation)) == (200, 174, 26)
    assert {c.subject for c in training}.isdisjoint(c.subject for c in validation)
    assert dataset.labels == LABELS


@pytest.mark.data
def test_every_case_of_a_real_fold_lies_on_its_image(real_data: Path) -> None:
    dataset = open_dataset(real_data / "hippocampus")
    for case in dataset.split("val")[:5]:
        volume, label_map = case.pair(dataset.labels)
        assert isinstance(label_map, LabelMap)
        assert label_map.shares_grid(volume)
        assert all(label_map.binary(name).any() for name in LABELS)


@pytest.mark.data
def test_the_real_label_of_another_task_is_named(real_data: Path) -> None:
    odd = real_data / "hippocampus_odd"
    case = Case(
        "hippocampus_281",
        "141",
        (odd / "image_without_label_118.nii.gz",),
        odd / "label_wrong_task_512x512x94_281.nii.gz",
    )
    with pytest.raises(BadDataset, match=r"512x512x94_281\.nii\.gz|hippocampus_281"):
        case.pair(LABELS)
