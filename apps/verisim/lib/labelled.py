"""The cases of MONAI Label's datastore that somebody has labelled, as a data set to learn from."""

from __future__ import annotations

from pathlib import Path

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag

from lib.pacs.datastore import PacsDatastore
from lib.released import check_cases
from verisim.card import ModelCard
from verisim.dataset import Case, Dataset, split_by_subject
from verisim.errors import BadDataset
from verisim.subjects import subject_of
from verisim.training.options import TrainingOptions

FINAL = str(DefaultLabelTag.FINAL.value)
"""The tag of labels that a person has approved."""


def labelled_dataset(datastore: Datastore, card: ModelCard, options: TrainingOptions) -> Dataset:
    """The cases with a final label, split by subject, for a model that there is.

    Raises:
        BadDataset: Too few cases or subjects, or labels that mean something else to the model.
    """
    cases = labelled_cases(datastore, options.subject_pattern)
    for case in cases:
        _check_names(datastore, case.name, card)
    return Dataset(
        name=datastore.name(),
        cases=cases,
        channels=card.channels,
        labels=card.labels,
        licence="unknown",
        splits=split_by_subject(cases, options.seed, options.val_split),
    )


def labelled_cases(
    datastore: Datastore, subject_pattern: str = "", fewest_subjects: int = 2
) -> tuple[Case, ...]:
    """The cases with a final label.

    Args:
        datastore: Holds images and labels.
        subject_pattern: Regular expression on an id; its first group is the subject.
        fewest_subjects: With fewer, some would be on both sides of a split.

    Raises:
        Unreleased: Synthetic cases that no audit has let out.
        BadDataset: Too few cases or subjects.
    """
    names = sorted(datastore.get_labeled_images(FINAL))
    found = (_case(datastore, name, subject_pattern) for name in names)
    cases = tuple(case for case in found if case)
    check_cases(datastore, cases)
    _check_enough(cases, fewest_subjects)
    return cases


def _case(datastore: Datastore, name: str, pattern: str) -> Case | None:
    """A case, or None if its label turns out to be unreadable."""
    label = datastore.get_label_uri(name, FINAL)
    if not label:
        return None
    subject = subject_of(name, pattern)
    if isinstance(datastore, PacsDatastore) and not pattern:
        subject = datastore.subject(name) or name  # a patient may have many series
    return Case(name, subject, (Path(datastore.get_image_uri(name)),), Path(label))


def _check_enough(cases: tuple[Case, ...], fewest: int) -> None:
    if len(cases) < fewest:
        raise BadDataset(
            f"The studies hold {len(cases)} case(s) with a label of the tag {FINAL!r}; "
            f"this training needs at least {fewest}, to learn from some and validate others.",
            f"Label more cases and save them with the tag {FINAL!r}.",
        )
    subjects = sorted({repr(case.subject) for case in cases})
    if len(subjects) < fewest:
        raise BadDataset(
            f"All {len(cases)} labelled cases belong to the subject {', '.join(subjects)}; "
            f"validation needs other subjects than training, {fewest} in all.",
            "Label cases of other subjects, or correct subject_pattern.",
        )


def _check_names(datastore: Datastore, name: str, card: ModelCard) -> None:
    """Slicer numbers the segments it saves anew and sends their names: 1 may be another label."""
    for told, value in told_labels(datastore, name):
        if card.labels.get(told) != value:
            raise BadDataset(
                f"In the label of {name}, {value} means {told!r}; {card.title} has "
                f"{', '.join(f'{v} {n}' for n, v in card.labels.items())}.",
                "Save the label again with all segments of the model, in its order.",
            )


def told_labels(datastore: Datastore, name: str) -> list[tuple[str, int]]:
    """Name and value of each label, as the client told that saved the final label of a case."""
    told = datastore.get_label_info(name, FINAL).get("label_info") or ()
    return [
        (str(entry.get("name", "")), entry["idx"])
        for entry in told
        if isinstance(entry.get("idx"), int)
    ]
