"""A folder for each case, as of BraTS, is a data set without description."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from verisim.dataset import Dataset, open_dataset
from verisim.errors import BadDataset


def save(path: Path, value: int) -> None:
    """A NIfTI file whose first voxel is `value`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros((4, 5, 6), np.int16)
    array[0, 0, 0] = value
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """Two patients with two channels."""
    for patient in ("pat_1", "pat_2"):
        for value, kind in enumerate(("seg", "flair", "t1c"), start=1):
            save(tmp_path / patient / f"{patient}_{kind}.nii.gz", value)
    return tmp_path


def test_a_folder_for_each_case_is_read(patients: Path) -> None:
    dataset: Dataset = open_dataset(patients)
    assert dataset.channels == ("flair", "t1c")
    assert dataset.labels == {"label_1": 1}
    assert [case.name for case in dataset.cases] == ["pat_1", "pat_2"]
    volume, label = dataset.cases[1].pair(dataset.labels)
    assert volume.array[:, 0, 0, 0].tolist() == [2, 3]
    assert label.array[0, 0, 0] == 1


def test_other_files_of_a_case_are_no_channels(patients: Path) -> None:
    (patients / "pat_1" / "pat_1_notes.txt").write_text("seen twice")
    save(patients / "pat_1" / "template.nii.gz", 9)
    assert open_dataset(patients).channels == ("flair", "t1c")


@pytest.mark.parametrize("absent", ["pat_2_t1c", "pat_2_flair"])
def test_cases_of_different_channels_are_refused(patients: Path, absent: str) -> None:
    (patients / "pat_2" / f"{absent}.nii.gz").unlink()
    with pytest.raises(BadDataset, match=r"pat_2 has the channels \w+, pat_1 has flair, t1c"):
        open_dataset(patients)
