"""What label values mean to a new model: by the request, the clients, or the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from monailabel.datastore.local import LocalDatastore

from lib.label_names import stored_names, told_names
from lib.labelled import labelled_cases
from lib.new_model import new_dataset
from tests.apps.studies import a_labelled_pair, open_studies, write_case
from verisim import files
from verisim.errors import BadDataset
from verisim.training.options import NewModelOptions


@pytest.fixture
def studies(tmp_path: Path) -> LocalDatastore:
    """Four labelled cases."""
    for k in range(4):
        write_case(tmp_path / "studies", f"case_{k}", seed=k)
    return open_studies(tmp_path / "studies")


def tell(studies: LocalDatastore, case: str, **labels: int) -> None:
    """Note what Slicer's panel tells about a label that it saves."""
    told = [{"name": name, "idx": value} for name, value in labels.items()]
    studies.update_label_info(case, "final", {"label_info": told})


def test_the_names_are_those_that_the_clients_told(studies: LocalDatastore) -> None:
    tell(studies, "case_1", bright=1)
    tell(studies, "case_3", bright=1, dark=2)
    dataset = new_dataset(studies, NewModelOptions())
    assert dataset.labels == {"bright": 1, "dark": 2}


def test_names_of_the_request_come_first(studies: LocalDatastore) -> None:
    tell(studies, "case_1", bright=1, dark=2)
    options = NewModelOptions(labels="Head, Tail", channel="CT")
    dataset = new_dataset(studies, options)
    assert dataset.labels == {"Head": 1, "Tail": 2}
    assert dataset.channels == ("CT",)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"dark": 1, "bright": 2}, "1 means 'bright' in the label of case_0"),
        ({"bright": 2}, "'bright' has the value 1 in the label of case_0"),
        ({"other": 4}, "the values 1, 4"),
    ],
)
def test_labels_that_contradict_each_other_are_refused(
    second: dict[str, int], reason: str, studies: LocalDatastore
) -> None:
    tell(studies, "case_0", bright=1)
    tell(studies, "case_1", **second)
    with pytest.raises(BadDataset, match=reason):
        told_names(studies, labelled_cases(studies), "a, b")


def test_without_any_word_the_files_name_their_labels(
    studies: LocalDatastore, tmp_path: Path
) -> None:
    cases = labelled_cases(studies)
    assert told_names(studies, cases) == {}
    assert stored_names(cases) == {"label_1": 1, "label_2": 2}
    _, label_map = a_labelled_pair(0)
    named = tmp_path / "named.seg.nrrd"
    files.write(named, label_map)
    assert stored_names([replace(cases[0], label=named)]) == {"anterior": 1, "posterior": 2}
    empty = tmp_path / "empty.nii.gz"
    files.write(empty, label_map.new(np.zeros_like(label_map.array)))
    with pytest.raises(BadDataset, match="No final label has a single voxel"):
        stored_names([replace(cases[0], label=empty)])
